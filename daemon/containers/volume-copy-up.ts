import { basename, dirname } from 'node:path';
import type { Addon, Root } from '../runtime/addon.js';

/**
 * Copies what the image has at `destination` into the empty directory of a volume, owners and modes included. Nothing
 * happens where the image has no directory there.
 */
export async function copyFromImage(addon: Addon, lower: string[], destination: string, volume: string): Promise<void> {
  const image: Root = { kind: 'overlay', lower, binds: [] };
  const directory = await findDirectory(addon, image, destination);
  if (directory === undefined) return;
  const [output, input] = addon.pipe();
  await Promise.all([
    // As an entry of the archive the directory itself brings its owner and mode along.
    addon.pack(image, directory, input, { as: basename(volume) }),
    addon.unpack({ kind: 'directory', path: dirname(volume) }, '/', output, {}),
  ]);
}

/** Go's os.ModeDir. */
const directoryBit = 0x8000_0000;

/** Where the image has a directory under this path, which may be a link; `linkTarget` is resolved inside the image. */
async function findDirectory(addon: Addon, image: Root, path: string): Promise<string | undefined> {
  try {
    const { mode, linkTarget } = await addon.statPath(image, path);
    if ((mode & directoryBit) !== 0) return path;
    if (!linkTarget) return undefined;
    const target = await addon.statPath(image, linkTarget);
    return (target.mode & directoryBit) !== 0 ? linkTarget : undefined;
  } catch {
    return undefined;
  }
}
