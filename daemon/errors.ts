/** What went wrong, in the terms that both the nouns and the HTTP layer understand; `http/errors.ts` maps it to a status. */
export type ErrorKind =
  | 'invalid' // 400
  | 'unauthorized' // 401
  | 'forbidden' // 403
  | 'not-found' // 404
  | 'conflict' // 409
  | 'not-modified' // 304
  | 'too-many-requests' // 429
  | 'unavailable' // 503
  | 'unsupported' // 501
  | 'remote' // 500: another machine or the network failed us, which is no defect of ours
  | 'internal'; // 500

/** An error whose message is meant for the user: it names the thing and what to do. */
export class GantryError extends Error {
  constructor(
    readonly kind: ErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'GantryError';
  }
}

export const invalid = (message: string, cause?: unknown): GantryError =>
  new GantryError('invalid', message, { cause });
export const notFound = (message: string): GantryError => new GantryError('not-found', message);
export const conflict = (message: string): GantryError => new GantryError('conflict', message);
export const notModified = (message: string): GantryError => new GantryError('not-modified', message);
export const unsupported = (message: string): GantryError => new GantryError('unsupported', message);
export const forbidden = (message: string): GantryError => new GantryError('forbidden', message);
export const internal = (message: string, cause?: unknown): GantryError =>
  new GantryError('internal', message, { cause });
