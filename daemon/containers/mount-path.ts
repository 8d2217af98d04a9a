import { posix } from 'node:path';
import { invalid } from '../errors.js';

export const propagations: readonly string[] = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];

/**
 * A place in the container: absolute, without "..", and not its root.
 * @param refuse makes the error of a problem
 */
export function destinationPath(destination: string, refuse: (problem: string) => Error = invalid): string {
  if (!destination.startsWith('/')) throw refuse(`invalid mount path: '${destination}' mount path must be absolute`);
  const normalized = cleanPath(destination);
  if (normalized === '/') throw refuse("invalid specification: destination can't be '/'");
  return normalized;
}

/** The path without "." and "..", double slashes and a slash at the end. */
export function cleanPath(path: string): string {
  return posix.normalize(path).replace(/(.)\/$/, '$1');
}

/** A path inside a volume or an image. The kernel confines it; this tells of mistakes early. */
export function subpathOf(subpath: string | undefined, refuse: (problem: string) => Error): string | undefined {
  if (!subpath) return undefined;
  const clean = cleanPath(subpath);
  if (clean.startsWith('/') || clean === '..' || clean.startsWith('../') || clean.includes('\0')) {
    throw refuse('subpath must be a relative path within the volume');
  }
  return clean === '.' ? undefined : clean;
}
