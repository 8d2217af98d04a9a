import type { Addon, Change } from '../runtime/addon.js';
import type { ContainerLayers } from './file-access.js';
import { preparedPaths } from './prepared-paths.js';

/** GET /containers/{id}/changes: sorted by path. */
export function containerChanges(addon: Addon, layers: Pick<ContainerLayers, 'upper' | 'lower'>): Promise<Change[]> {
  return addon.changes(layers.lower, layers.upper, [...preparedPaths]);
}
