import type { NativeError } from '../runtime/addon.js';

const goneCodes = new Set(['ENOENT', 'ESRCH', 'ENODEV', 'ECONNRESET']);

/**
 * Whether an operation failed because the process, its cgroup or its shim was not there any more: the container has ended,
 * and the daemon is about to hear of it.
 */
export function hasJustEnded(error: unknown): boolean {
  return goneCodes.has((error as NativeError).code);
}
