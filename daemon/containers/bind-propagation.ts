import { readFileSync, realpathSync } from 'node:fs';
import { invalid } from '../errors.js';
import type { ContainerMount } from './container.js';

/**
 * Refuses a propagation that the host's mount cannot take part in: the bind would look as if it were shared, and nothing
 * would ever come through.
 */
export function checkPropagation(mounts: readonly ContainerMount[], readMounts = ownMounts): void {
  for (const { type, source, propagation } of mounts) {
    const shared = propagation.endsWith('shared');
    if (type !== 'bind' || !(shared || propagation.endsWith('slave'))) continue;
    const { mountPoint, peers } = mountOf(realpathSync(source), readMounts());
    const suffices = peers.includes('shared:') || (!shared && peers.includes('master:'));
    if (suffices) continue;
    throw invalid(
      `path ${source} is mounted on ${mountPoint} but it is not a shared${shared ? '' : ' or slave'} mount`,
    );
  }
}

interface MountEntry {
  mountPoint: string;
  /** The optional fields of proc_pid_mountinfo(5). */
  peers: string;
}

/** The innermost mount that a path is on; of several at one place, the last. */
function mountOf(path: string, mounts: readonly MountEntry[]): MountEntry {
  let found: MountEntry = { mountPoint: '/', peers: '' };
  for (const mount of mounts) {
    const prefix = mount.mountPoint === '/' ? '/' : `${mount.mountPoint}/`;
    if (`${path}/`.startsWith(prefix) && mount.mountPoint.length >= found.mountPoint.length) found = mount;
  }
  return found;
}

function ownMounts(): MountEntry[] {
  return parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** @param text as in /proc/self/mountinfo */
export function parseMounts(text: string): MountEntry[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const fields = line.split(' ');
      const mountPoint = (fields[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      );
      return { mountPoint, peers: fields.slice(6, fields.indexOf('-', 6)).join(' ') };
    });
}
