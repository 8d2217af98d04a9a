import { invalid } from '../errors.js';
import type { ApiVersion } from '../http/version.js';
import type { HostConfig } from './container.js';

/**
 * The host configuration as a client of this API version means it: what the version did not have yet is passed over where it
 * only refines a mount, as Docker does.
 * @throws GantryError invalid for what would be another mount without it
 */
export function hostConfigOfVersion(hostConfig: HostConfig, version: ApiVersion): HostConfig {
  if (!hostConfig.Mounts || version.atLeast('1.48')) return hostConfig;
  const Mounts = hostConfig.Mounts.map((mount) => {
    if (mount.Type === 'image') throw invalid('Mount type "Image" needs API v1.48 or newer');
    if (mount.VolumeOptions?.Subpath && !version.atLeast('1.45')) {
      throw invalid('VolumeOptions.Subpath needs API v1.45 or newer');
    }
    if (!mount.BindOptions || version.atLeast('1.42')) return mount;
    const { NonRecursive, CreateMountpoint: _, ...BindOptions } = mount.BindOptions;
    return { ...mount, BindOptions: { ...BindOptions, ...(version.atLeast('1.40') && { NonRecursive }) } };
  });
  return { ...hostConfig, Mounts };
}

/** Older clients mean by a read-only bind mount that what is mounted below stays writable. */
export const isReadOnlyRecursive = (version: ApiVersion): boolean => version.atLeast('1.44');
