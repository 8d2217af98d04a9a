import { basename, dirname } from 'node:path';
import type { Addon, Root } from '../runtime/addon.js';

/**
 * Copies what the image has at `destination` into the empty directory of a volume, owners and modes included. Nothing
 * happens where the image has no directory there.
 */
export async function copyFromImage(addon: Addon, lower: string[], destination: string, volume: string): Promise<void> {
  const image: Root = { kind: 'overlay', lower, binds: [] };
  if (!(await hasDirectory(addon, image, destination))) return;
  const [output, input] = addon.pipe();
  await Promise.all([
    // As an entry of the archive the directory itself brings its owner and mode along.
    addon.pack(image, destination, input, { as: basename(volume) }),
    addon.unpack({ kind: 'directory', path: dirname(volume) }, '/', output, {}),
  ]);
}

/** Go's os.ModeDir. */
const directoryBit = 0x8000_0000;

async function hasDirectory(addon: Addon, image: Root, path: string): Promise<boolean> {
  try {
    const { mode } = await addon.statPath(image, path);
    return (mode & directoryBit) !== 0;
  } catch {
    return false;
  }
}
