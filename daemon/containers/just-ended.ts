import { readlinkSync } from 'node:fs';
import type { NativeError } from '../runtime/addon.js';

const goneCodes = new Set(['ENOENT', 'ESRCH', 'ENODEV', 'ECONNRESET']);

/**
 * Whether an operation failed because the process, its cgroup or its shim was not there any more: the container has ended,
 * and the daemon is about to hear of it.
 */
export function hasJustEnded(error: unknown): boolean {
  return goneCodes.has((error as NativeError).code);
}

/** The same as `hasJustEnded`, for operations that may fail in this way for other reasons. @param pid of the container */
export function failedByEndOf(pid: number, error: unknown): boolean {
  // Without its shim no container runs.
  return (error as NativeError).code === 'ECONNRESET' || (hasJustEnded(error) && hasNoProcess(pid));
}

/** Whether the process has ended, or is about to: it lets go of its namespaces before it shows that it has. */
export function hasNoProcess(pid: number): boolean {
  try {
    readlinkSync(`/proc/${pid}/ns/net`);
    return false;
  } catch {
    return true;
  }
}
