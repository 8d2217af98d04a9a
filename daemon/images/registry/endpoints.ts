import { isInsecure } from './insecure.js';
import type { RegistrySettings } from './settings.js';

/** A place at which a registry may answer. */
export interface Endpoint {
  /** "https://registry.example:5000" */
  origin: string;
  /** It stands in for Docker Hub: what it does not have or cannot do is looked for at the next. */
  mirror: boolean;
}

export const hubRegistry = 'docker.io';
const hubOrigin = 'https://registry-1.docker.io';

/** The registry and the path of a complete repository name: "docker.io" and "library/busybox". */
export function splitRepository(repository: string): { registry: string; path: string } {
  const slash = repository.indexOf('/');
  return { registry: repository.slice(0, slash), path: repository.slice(slash + 1) };
}

/** Where to pull from, in the order in which to try: mirrors of Docker Hub come first, HTTP after HTTPS. */
export async function pullEndpoints(registry: string, settings: RegistrySettings): Promise<Endpoint[]> {
  if (registry !== hubRegistry) return pushEndpoints(registry, settings);
  const mirrors = settings.mirrors.map((url) => ({ origin: new URL(url).origin, mirror: true }));
  return [...mirrors, ...(await pushEndpoints(registry, settings))];
}

/** Where to push to: mirrors are only for reading. */
export async function pushEndpoints(registry: string, settings: RegistrySettings): Promise<Endpoint[]> {
  if (registry === hubRegistry) return [{ origin: hubOrigin, mirror: false }];
  const schemes = (await isInsecure(registry, settings.insecure)) ? ['https', 'http'] : ['https'];
  return schemes.map((scheme) => ({ origin: `${scheme}://${registry}`, mirror: false }));
}
