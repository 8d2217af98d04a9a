import { chownSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Owner } from '../userns/id-mapping.js';

/** Makes the directory that a bind mount is to show; what is made on the way belongs to `owner`, too. */
export function makeBindSource(path: string, { uid, gid }: Owner): void {
  const topmost = mkdirSync(path, { recursive: true });
  if (topmost === undefined || (uid === 0 && gid === 0)) return;
  for (let made = path; made.length >= topmost.length; made = dirname(made)) chownSync(made, uid, gid);
}
