import type { Addon, Change } from '../runtime/addon.js';
import type { ContainerLayers } from './file-access.js';

/** What every container gets and `docker diff` does not show: in Docker it lies in a layer below the container's own. */
const preparedPaths = [
  '/.dockerenv',
  '/dev',
  '/etc/hostname',
  '/etc/hosts',
  '/etc/mtab',
  '/etc/resolv.conf',
  '/proc',
  '/sys',
];

/** GET /containers/{id}/changes: sorted by path. */
export function containerChanges(addon: Addon, layers: Pick<ContainerLayers, 'upper' | 'lower'>): Promise<Change[]> {
  return addon.changes(layers.lower, layers.upper, preparedPaths);
}
