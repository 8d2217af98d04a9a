import { readFileSync, readlinkSync } from 'node:fs';
import type { NativeError } from '../runtime/addon.js';

const goneCodes = new Set(['ENOENT', 'ESRCH', 'ENODEV', 'ECONNRESET']);

/**
 * Whether an operation failed because the process, its cgroup or its shim was not there any more: the container has ended,
 * and the daemon is about to hear of it.
 */
export function hasJustEnded(error: unknown): boolean {
  return goneCodes.has((error as NativeError).code);
}

/** Whether the process has ended, even if nobody has waited for it yet. */
export function hasNoProcess(pid: number): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

/** The same as `hasJustEnded`, for operations that may fail in this way for other reasons. @param pid of the container */
export function failedByEndOf(pid: number, error: unknown): boolean {
  // Without its shim no container runs.
  return (error as NativeError).code === 'ECONNRESET' || (hasJustEnded(error) && hasNoNamespaces(pid));
}

/** A process that ends lets go of its namespaces first: before it shows that it has ended. */
function hasNoNamespaces(pid: number): boolean {
  try {
    readlinkSync(`/proc/${pid}/ns/net`);
    return false;
  } catch {
    return true;
  }
}
