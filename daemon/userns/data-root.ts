import { accessSync, chmodSync, chownSync, constants, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectories } from '../make-directories.js';
import type { IdMapping } from './id-mapping.js';

/**
 * The data root of a daemon with this mapping, as dockerd has it: one of its own below the one that is configured, for
 * everything in it is owned as the mapping says.
 */
export function mappedDataRoot(dataRoot: string, mapping: IdMapping): string {
  const { uid, gid } = mapping.root;
  makeDirectories(dataRoot, 0o711);
  const own = join(dataRoot, `${uid}.${gid}`);
  mkdirSync(own, { recursive: true });
  chownSync(own, 0, gid);
  chmodSync(own, 0o710);
  return own;
}

/** @throws Error where the kernel has no user namespaces, or allows none */
export function requireUserNamespaces(): void {
  try {
    accessSync('/proc/self/ns/user', constants.F_OK);
  } catch (error) {
    throw new Error('userns-remap: this kernel has no user namespaces (CONFIG_USER_NS)', { cause: error });
  }
  if (readFileSync('/proc/sys/user/max_user_namespaces', 'utf8').trim() === '0') {
    throw new Error('userns-remap: user namespaces are off: set the sysctl user.max_user_namespaces to more than 0');
  }
}
