import { chownSync } from 'node:fs';
import { dirname } from 'node:path';
import { getSystemErrorMessage } from 'node:util';
import { invalid } from '../errors.js';
import { makeDirectories } from '../make-directories.js';
import type { Owner } from '../userns/id-mapping.js';

/** Makes the directory that a bind mount is to show; what is made on the way belongs to `owner`, too. */
export function makeBindSource(path: string, { uid, gid }: Owner): void {
  const topmost = makeMissing(path);
  if (topmost === undefined || (uid === 0 && gid === 0)) return;
  for (let made = path; made.length >= topmost.length; made = dirname(made)) chownSync(made, uid, gid);
}

function makeMissing(path: string): string | undefined {
  try {
    return makeDirectories(path);
  } catch (error) {
    const { errno, message } = error as NodeJS.ErrnoException;
    const reason = errno === undefined ? message : getSystemErrorMessage(errno);
    throw invalid(`error while creating mount source path '${path}': mkdir ${path}: ${reason}`, error);
  }
}
