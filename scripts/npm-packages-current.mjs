// Ends with 0 when node_modules holds what package-lock.json says, with 1 when `npm ci` has to run.
import { readFileSync } from 'node:fs';

/** @param {string} path @returns {Record<string, any>} */
const packagesOf = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;

/**
 * Whether npm may leave this package out: an optional one for other platforms, or for none in particular. The latter are
 * needed by the former only (a WebAssembly build's runtime), and not every npm installs them without those.
 */
function mayBeAbsent({ optional, os, cpu, libc }) {
  const excludes = (list, here) => list !== undefined && !list.includes(here);
  const elsewhere = excludes(os, process.platform) || excludes(cpu, process.arch) || excludes(libc, 'glibc');
  return optional === true && (elsewhere || os === undefined);
}

try {
  const wanted = packagesOf('package-lock.json');
  const present = packagesOf('node_modules/.package-lock.json');
  const stale = Object.entries(wanted).some(([path, entry]) => {
    if (path === '' || entry.peer) return false;
    if (present[path] === undefined) return !mayBeAbsent(entry);
    return present[path].version !== entry.version;
  });
  process.exit(stale ? 1 : 0);
} catch {
  process.exit(1);
}
