import { invalid } from '../errors.js';
import type { ImageConfig } from '../images/image-document.js';
import type { ContainerConfig } from './container.js';

/**
 * The container's configuration with the image's where it says nothing itself.
 * An entrypoint given by the user puts the image's command out of force, as Docker has it.
 */
export function withImageDefaults(config: ContainerConfig, image: ImageConfig): ContainerConfig {
  const ownEntrypoint = config.Entrypoint != null && config.Entrypoint.length > 0;
  const clearedEntrypoint = config.Entrypoint?.length === 1 && config.Entrypoint[0] === '';
  const useImageCommand = !config.Cmd?.length && !ownEntrypoint;
  return {
    Hostname: '',
    Domainname: '',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    ...config,
    User: config.User || image.User || '',
    ...exposedPorts(config, image),
    Env: mergeEnvironment(config.Env, image.Env),
    Cmd: useImageCommand ? (image.Cmd ?? null) : (config.Cmd ?? null),
    Entrypoint: clearedEntrypoint ? null : ownEntrypoint ? config.Entrypoint : (image.Entrypoint ?? null),
    Volumes: notEmptyOrNull({ ...image.Volumes, ...config.Volumes }),
    WorkingDir: config.WorkingDir || image.WorkingDir || '',
    OnBuild: config.OnBuild ?? null,
    Labels: { ...image.Labels, ...config.Labels },
    ...(config.StopSignal || image.StopSignal ? { StopSignal: config.StopSignal || image.StopSignal } : {}),
    ...healthcheck(config, image),
    ...(config.Shell || image.Shell ? { Shell: config.Shell ?? image.Shell } : {}),
  } as ContainerConfig;
}

/** Path and arguments of the first process. @throws GantryError invalid when there is nothing to run */
export function commandOf(config: ContainerConfig): { path: string; args: string[] } {
  const [path, ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (path === undefined) throw invalid('no command specified');
  return { path, args };
}

function mergeEnvironment(
  own: readonly string[] | null | undefined,
  image: readonly string[] | null | undefined,
): string[] {
  const nameOf = (entry: string): string => entry.split('=', 1)[0] ?? '';
  const ownNames = new Set((own ?? []).map(nameOf));
  return [...(own ?? []), ...(image ?? []).filter((entry) => !ownNames.has(nameOf(entry)))];
}

function exposedPorts(config: ContainerConfig, image: ImageConfig): Partial<ContainerConfig> {
  const ports = { ...image.ExposedPorts, ...config.ExposedPorts };
  return Object.keys(ports).length > 0 ? { ExposedPorts: ports as Record<string, never> } : {};
}

function healthcheck(config: ContainerConfig, image: ImageConfig): Partial<ContainerConfig> {
  const own = config.Healthcheck;
  if (!own && !image.Healthcheck) return {};
  if (!own?.Test?.length) return { Healthcheck: { ...image.Healthcheck, ...withoutZero(own ?? {}) } };
  return { Healthcheck: own };
}

const withoutZero = (object: object): object => Object.fromEntries(Object.entries(object).filter(([, value]) => value));

const notEmptyOrNull = (object: object): object | null => (Object.keys(object).length > 0 ? object : null);
