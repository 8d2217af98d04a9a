import { invalid } from '../errors.js';
import { parseBind } from './bind-specification.js';
import type { ContainerConfig, ContainerMount, HostConfig } from './container.js';
import { cleanPath, destinationPath } from './mount-path.js';
import { parseMount } from './mount-specification.js';
import { blankMount, type RequestedMount } from './requested-mount.js';
import { validateTmpfsOptions } from './tmpfs-options.js';

/**
 * Every mount that a request asks for, one for each place.
 * @param inherited those of --volumes-from, which give way to all others but the volumes of the image
 * @param recursiveReadOnly whether a read-only bind mount makes those below it read-only, too, unless it says otherwise
 * @throws GantryError invalid
 */
export function requestedMounts(
  config: ContainerConfig,
  hostConfig: HostConfig,
  inherited: readonly ContainerMount[] = [],
  recursiveReadOnly = true,
): RequestedMount[] {
  const tmpfs = tmpfsDestinations(hostConfig);
  const asked = new Map<string, RequestedMount>();
  const driver = hostConfig.VolumeDriver || undefined;
  const ask = (mount: RequestedMount): void => {
    const { destination } = mount;
    if (asked.has(destination) || tmpfs.has(destination)) throw invalid(`Duplicate mount point: ${destination}`);
    asked.set(destination, mount.type === 'bind' && !recursiveReadOnly ? { ...mount, recursiveReadOnly } : mount);
  };
  for (const bind of hostConfig.Binds ?? []) ask(parseBind(bind, driver));
  for (const mount of hostConfig.Mounts ?? []) ask(parseMount(mount));

  const all = new Map<string, RequestedMount>();
  for (const mount of inherited) if (!tmpfs.has(mount.destination)) all.set(mount.destination, mount);
  for (const mount of asked.values()) all.set(mount.destination, mount);
  for (const path of Object.keys(config.Volumes ?? {})) {
    // An image may have "VOLUME data".
    const destination = destinationPath(path.startsWith('/') ? path : `/${path}`);
    if (all.has(destination) || tmpfs.has(destination)) continue;
    all.set(destination, { ...blankMount, type: 'volume', destination, copyUp: true, volume: { driver } });
  }
  return [...all.values()];
}

function tmpfsDestinations(hostConfig: HostConfig): Set<string> {
  return new Set(
    Object.entries(hostConfig.Tmpfs ?? {}).map(([path, options]) => {
      validateTmpfsOptions(options);
      return cleanPath(destinationPath(path));
    }),
  );
}
