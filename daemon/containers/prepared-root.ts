import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  type Stats,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** What every container gets: in Docker it lies in a layer below the container's own, so diff and commit pass over it. */
export const preparedPaths = [
  '/.dockerenv',
  '/dev',
  '/etc/hostname',
  '/etc/hosts',
  '/etc/mtab',
  '/etc/resolv.conf',
  '/proc',
  '/sys',
] as const;

/**
 * Puts into a new writable layer what programs expect of Docker's containers though no image brings it: the file that
 * tells them where they are, and the list of mounts under its old name.
 * @param layers of the image, topmost first
 */
export function prepareRoot(upper: string, layers: readonly string[]): void {
  const owner = lstatSync(upper);
  const marker = join(upper, '.dockerenv');
  writeFileSync(marker, '', { mode: 0o755 });
  lchownSync(marker, owner.uid, owner.gid);
  linkMountTable(upper, owner, layers);
}

/** /etc/mtab, unless the image has one, or something else than a directory in the place of /etc. */
function linkMountTable(upper: string, owner: Stats, layers: readonly string[]): void {
  let topmost: Stats | undefined;
  for (const layer of layers) {
    const etc = lstatSync(join(layer, 'etc'), { throwIfNoEntry: false });
    if (!etc) continue;
    if (!etc.isDirectory()) {
      if (!topmost) return;
      break;
    }
    if (lstatSync(join(layer, 'etc/mtab'), { throwIfNoEntry: false })) return;
    topmost ??= etc;
  }
  // A directory of the writable layer stands for those below it, whose content it shows.
  const etc = join(upper, 'etc');
  mkdirSync(etc);
  chownSync(etc, topmost?.uid || owner.uid, topmost?.gid || owner.gid);
  chmodSync(etc, topmost ? topmost.mode & 0o7777 : 0o755);
  const table = join(etc, 'mtab');
  symlinkSync('/proc/mounts', table);
  lchownSync(table, owner.uid, owner.gid);
}
