import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Owner } from '../userns/id-mapping.js';

const directories = ['dev', 'etc', 'proc', 'sys', 'run'];
const files = ['etc/hostname', 'etc/hosts', 'etc/resolv.conf'];

/**
 * Makes a layer that lies below all others of a step: it has what things are mounted on where the image has nothing. So
 * nothing has to be made for them in the layer of the step, and whatever the image has wins.
 *
 * @param targets of further mounts, as absolute paths without links or ".."
 */
export function makeMountPointLayer(
  path: string,
  owner: Owner,
  targets: readonly { path: string; isDirectory: boolean }[],
): void {
  const make = (directory: string): void => {
    const first = mkdirSync(directory, { recursive: true, mode: 0o755 });
    if (first === undefined) return;
    for (let made = directory; made.length >= first.length; made = dirname(made)) {
      chmodSync(made, 0o755);
      chownSync(made, owner.uid, owner.gid);
    }
  };
  const all = [
    ...directories.map((name) => ({ path: name, isDirectory: true })),
    ...files.map((name) => ({ path: name, isDirectory: false })),
    ...targets,
  ];
  make(path);
  for (const target of all) {
    const place = join(path, join('/', target.path));
    make(target.isDirectory ? place : dirname(place));
    if (target.isDirectory) continue;
    writeFileSync(place, '', { mode: 0o644 });
    chownSync(place, owner.uid, owner.gid);
  }
}
