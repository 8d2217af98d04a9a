import { chownSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { invalid } from '../errors.js';
import type { Owner } from '../userns/id-mapping.js';

/** Makes the directory that a bind mount is to show; what is made on the way belongs to `owner`, too. */
export function makeBindSource(path: string, { uid, gid }: Owner): void {
  const topmost = makeDirectories(path);
  if (topmost === undefined || (uid === 0 && gid === 0)) return;
  for (let made = path; made.length >= topmost.length; made = dirname(made)) chownSync(made, uid, gid);
}

function makeDirectories(path: string): string | undefined {
  try {
    return mkdirSync(path, { recursive: true });
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOTDIR' ? 'not a directory' : (error as Error).message;
    throw invalid(`error while creating mount source path '${path}': mkdir ${path}: ${reason}`, error);
  }
}
