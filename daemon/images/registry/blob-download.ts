import { setTimeout as delay } from 'node:timers/promises';
import { GantryError, invalid } from '../../errors.js';
import { digestOf, type Digest } from '../digest.js';
import { maxDocumentBytes } from '../json-document.js';
import { asNetworkError } from './network-error.js';
import { RegistryError } from './registry-error.js';
import type { RepositorySession } from './session.js';
import { drop, readAll, type Incoming } from './transport.js';

export interface BlobDescriptor {
  digest: Digest;
  size: number;
}

export interface DownloadEvents {
  onProgress?: (received: number) => void;
  /** A transfer has broken off and will go on after so many milliseconds. */
  onRetry?: (pause: number) => void;
}

/**
 * The content of a blob, piece by piece. A transfer that breaks off goes on where it stopped. The size is checked here, the
 * digest by whoever takes the pieces.
 *
 * @throws GantryError
 */
export async function* downloadBlob(
  session: RepositorySession,
  blob: BlobDescriptor,
  signal: AbortSignal,
  events: DownloadEvents = {},
): AsyncGenerator<Uint8Array> {
  let received = 0;
  for (let failures = 0; ;) {
    try {
      for await (const chunk of await contentFrom(session, blob, received, signal)) {
        received += chunk.length;
        if (received > blob.size) throw wrongSize(blob, `more than`);
        yield chunk;
        events.onProgress?.(received);
      }
      if (received === blob.size) return;
      throw new BrokenTransfer(`unexpected EOF after ${received} of ${blob.size} bytes`);
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error)) throw error;
      failures++;
      if (failures >= session.attempts) throw gaveUp(blob, failures, error as Error);
      const pause = session.timings.backOff(failures);
      events.onRetry?.(pause);
      await delay(pause, undefined, { signal });
    }
  }
}

/** A small blob, in memory, verified. */
export async function downloadDocument(
  session: RepositorySession,
  blob: BlobDescriptor,
  what: string,
): Promise<Buffer> {
  if (blob.size > maxDocumentBytes) throw invalid(`${what} is too large: ${blob.size} bytes`);
  const answer = await session.send({ method: 'GET', target: `blobs/${blob.digest}`, accept: [200] });
  const content = await readAll(answer, blob.size, () => wrongSize(blob, 'more than'));
  if (digestOf(content) !== blob.digest) throw invalid(`${what} verification failed for digest ${blob.digest}`);
  return content;
}

/** Not a refusal: the connection has ended before the blob. */
class BrokenTransfer extends Error {}

async function contentFrom(
  session: RepositorySession,
  blob: BlobDescriptor,
  offset: number,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const headers = offset > 0 ? { range: `bytes=${offset}-` } : {};
  const target = `blobs/${blob.digest}`;
  const answer = await session.send({ method: 'GET', target, headers, accept: [200, 206], resumes: true }, signal);
  const start = answer.status === 206 ? rangeStart(answer) : 0;
  if (start > offset) {
    answer.body.destroy();
    throw new GantryError(
      'remote',
      `${answer.url.host} answered a request for byte ${offset} of ${blob.digest} with byte ${start}`,
    );
  }
  const rest = Number(answer.headers['content-length'] ?? Number.NaN);
  if (start + rest > blob.size) {
    await drop(answer);
    throw wrongSize(blob, `${start + rest} instead of`);
  }
  return bodyFrom(answer, offset - start);
}

/** The body without its first bytes: what a registry that knows no ranges sends again. */
async function* bodyFrom(answer: Incoming, skip: number): AsyncGenerator<Uint8Array> {
  let left = skip;
  try {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      const rest = chunk.subarray(Math.min(left, chunk.length));
      left -= chunk.length - rest.length;
      if (rest.length > 0) yield rest;
    }
  } catch (error) {
    throw asNetworkError(answer.method, answer.url, error);
  }
}

function rangeStart(answer: Incoming): number {
  const range = answer.headers['content-range'];
  const start = typeof range === 'string' ? /^bytes (\d{1,15})-/.exec(range)?.[1] : undefined;
  if (start === undefined)
    throw new GantryError('remote', `${answer.url.host} sent a part of a blob without saying which`);
  return Number(start);
}

/** Of the network rather than of the registry, the blob or our own disk. */
function isPassing(error: unknown): boolean {
  if (error instanceof BrokenTransfer) return true;
  // The session has tried again already.
  if (error instanceof RegistryError) return false;
  return error instanceof GantryError && error.kind === 'remote' && error.cause !== undefined;
}

const wrongSize = (blob: BlobDescriptor, found: string): GantryError =>
  invalid(`blob ${blob.digest} has the wrong size: ${found} the ${blob.size} bytes that its manifest says`);

const gaveUp = (blob: BlobDescriptor, attempts: number, { message }: Error): GantryError =>
  new GantryError('remote', `download of ${blob.digest} failed after attempts=${attempts}: ${message}`);
