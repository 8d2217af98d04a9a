import { getSystemErrorName } from 'node:util';
import type { NativeError } from './addon.js';

/** The `error` of a shim's answer. */
export interface ErrorAnswer {
  operation: string;
  errno: number;
  message: string;
  exitCode?: number;
}

/** What a shim could not do, in its own words. */
export class ShimError extends Error implements NativeError {
  readonly operation: string;
  readonly errno: number;
  /** "ENOENT"; "EIO" where the failure has no errno. */
  readonly code: string;
  /** What Docker reports as the exit code of a process that could not be started: 127, 126 or 128. */
  readonly exitCode: number;

  constructor(answer: ErrorAnswer) {
    super(answer.message);
    this.name = 'ShimError';
    this.operation = answer.operation;
    this.errno = answer.errno;
    this.code = answer.errno > 0 ? getSystemErrorName(-answer.errno) : 'EIO';
    this.exitCode = answer.exitCode ?? 128;
  }
}
