import { type ErrorKind, GantryError } from '../errors.js';
import type { NativeError } from '../runtime/addon.js';

const STATUS: Record<ErrorKind, number> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  'not-modified': 304,
  'too-many-requests': 429,
  unavailable: 503,
  unsupported: 501,
  remote: 500,
  internal: 500,
};

/** An error of the HTTP layer itself, whose status no noun has a name for. */
export class HttpError extends Error {
  constructor(
    readonly statusCode: number,
    message: string,
  ) {
    super(message);
    this.name = 'HttpError';
  }
}

export interface ErrorResponse {
  status: number;
  message: string;
  /** A defect or a failing host, as opposed to something the client can put right: to be logged with its stack. */
  unexpected: boolean;
}

/** What to answer for an error of whatever origin. */
export function toErrorResponse(error: unknown): ErrorResponse {
  if (error instanceof GantryError) {
    return { status: STATUS[error.kind], message: error.message, unexpected: error.kind === 'internal' };
  }
  if (error instanceof HttpError) return { status: error.statusCode, message: error.message, unexpected: false };
  if (isNativeError(error)) return { status: 500, message: error.message, unexpected: true };
  if (error instanceof Error) {
    const status = (error as { statusCode?: unknown }).statusCode;
    // Fastify's own errors (a URL that cannot be decoded, a header that is too long) carry a status below 500.
    if (typeof status === 'number' && status >= 400 && status < 500) {
      return { status, message: error.message, unexpected: false };
    }
    return { status: 500, message: error.message || 'internal error', unexpected: true };
  }
  return { status: 500, message: String(error), unexpected: true };
}

function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && 'operation' in error && 'errno' in error;
}
