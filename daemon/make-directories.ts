import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a directory and those above it that are missing. Node's `recursive` tries for ever where the parent is there and a
 * directory cannot be made in it all the same: /proc answers ENOENT, which Node takes for a missing parent.
 * @returns the topmost one that was made, or undefined when all were there
 */
export function makeDirectories(path: string, mode = 0o777): string | undefined {
  try {
    return makeDirectory(path, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const topmost = makeDirectories(dirname(path), mode);
  const made = makeDirectory(path, mode);
  return topmost ?? made;
}

function makeDirectory(path: string, mode: number): string | undefined {
  try {
    mkdirSync(path, mode);
    return path;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory()) return undefined;
    throw error;
  }
}
