import { STATUS_CODES } from 'node:http';
import { GantryError, type ErrorKind } from '../../errors.js';
import { isObject } from '../json-document.js';
import { parseChallenges } from './challenge.js';
import { readAll, type Incoming } from './transport.js';

/** A registry's own refusal; `code` is one of the OCI distribution specification, such as MANIFEST_UNKNOWN. */
export class RegistryError extends GantryError {
  constructor(
    kind: ErrorKind,
    readonly code: string,
    readonly statusCode: number,
    message: string,
  ) {
    super(kind, message);
  }
}

const kinds: Readonly<Record<string, ErrorKind>> = {
  UNAUTHORIZED: 'unauthorized',
  DENIED: 'forbidden',
  NAME_UNKNOWN: 'not-found',
  MANIFEST_UNKNOWN: 'not-found',
  BLOB_UNKNOWN: 'not-found',
  NAME_INVALID: 'invalid',
  TOOMANYREQUESTS: 'too-many-requests',
};
const defaultMessages: Readonly<Record<string, string>> = {
  UNAUTHORIZED: 'authentication required',
  DENIED: 'requested access to the resource is denied',
  TOOMANYREQUESTS: 'too many requests',
};
const codesOfStatus: Readonly<Record<number, string>> = { 401: 'UNAUTHORIZED', 403: 'DENIED', 429: 'TOOMANYREQUESTS' };
const maxErrorBytes = 64 * 1024;
const maxShownLength = 1000;

/** What to say about an answer that is no success. Reads its body. */
export async function registryErrorOf(answer: Incoming): Promise<RegistryError> {
  const { status } = answer;
  const body = await readAll(answer, maxErrorBytes, () => new Error('too large')).catch(() => Buffer.alloc(0));
  if (status >= 500) {
    const text = `received unexpected HTTP status: ${status} ${STATUS_CODES[status] ?? ''}`.trimEnd();
    return new RegistryError('remote', 'UNKNOWN', status, text);
  }
  const told = toldBy(body);
  return fromChallenge(answer) ?? told ?? fromStatus(answer, body);
}

/** A token that does not reach far enough means that access is denied; another one, that it is not known who asks. */
function fromChallenge(answer: Incoming): RegistryError | undefined {
  for (const { scheme, parameters } of parseChallenges(answer.headers['www-authenticate'])) {
    const codes: Record<string, string> = { invalid_token: 'UNAUTHORIZED', insufficient_scope: 'DENIED' };
    const code = scheme === 'bearer' ? codes[parameters['error'] ?? ''] : undefined;
    if (code !== undefined) return make(code, answer.status, parameters['error_description']);
  }
  return undefined;
}

function toldBy(body: Buffer): RegistryError | undefined {
  const document = parse(body);
  const [first] = isObject(document) && Array.isArray(document['errors']) ? (document['errors'] as unknown[]) : [];
  if (!isObject(first) || typeof first['code'] !== 'string') {
    return undefined;
  }
  const { code, message } = first;
  return make(code.toUpperCase(), 0, typeof message === 'string' ? message : undefined);
}

function fromStatus(answer: Incoming, body: Buffer): RegistryError {
  const document = parse(body);
  const details = isObject(document) ? (document['details'] ?? document['message'] ?? document['error']) : undefined;
  const code = codesOfStatus[answer.status];
  if (code !== undefined) return make(code, answer.status, typeof details === 'string' ? details : undefined);
  const text = body.toString('utf8').trim();
  const shown = text ? `unknown: ${shorten(text)}` : `unexpected status ${answer.status} from ${answer.url.host}`;
  return new RegistryError(answer.status === 404 ? 'not-found' : 'remote', 'UNKNOWN', answer.status, shown);
}

function make(code: string, status: number, message: string | undefined): RegistryError {
  const text = message || defaultMessages[code];
  const name = code.toLowerCase().replaceAll('_', ' ');
  return new RegistryError(kinds[code] ?? 'remote', code, status, text ? `${name}: ${shorten(text)}` : name);
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/** What a stranger says is shown, but not at any length nor with control characters that a terminal would obey. */
function shorten(text: string): string {
  // eslint-disable-next-line no-control-regex
  const printable = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
  return printable.length > maxShownLength ? `${printable.slice(0, maxShownLength)}…` : printable;
}
