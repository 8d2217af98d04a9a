import type { Readable } from 'node:stream';
import type { Addon, IdMaps } from '../runtime/addon.js';
import { type ContainerLayers, readOnlyRoot } from './file-access.js';
import { readFromPipe } from './pipe-transfer.js';

/**
 * GET /containers/{id}/export: the container's root as a tar stream, without what is mounted in it (volumes, /proc).
 * Running or not, it is read through an overlay of its own, in which the writable layer is just the topmost one.
 */
export function exportContainer(
  addon: Addon,
  layers: Pick<ContainerLayers, 'upper' | 'lower'>,
  idMap: IdMaps,
): Readable {
  return readFromPipe(addon, (output) => addon.pack(readOnlyRoot(layers), '/', output, { as: '', idMap }));
}
