import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { GantryError } from '../../errors.js';
import type { Digest } from '../digest.js';
import { isBrokenConnection } from './network-error.js';
import { RegistryError } from './registry-error.js';
import type { RepositorySession } from './session.js';
import { drop } from './transport.js';

export interface UploadedBlob {
  digest: Digest;
  size: number;
}

/** A blob that is made while it is sent. */
export interface StreamedBlob {
  content: Readable;
  /** Known when `content` has ended. */
  result: () => UploadedBlob;
}

export interface StoredBlob extends UploadedBlob {
  /** A file with the blob's content. */
  path: string;
}

/** Up to this size a blob goes in one request rather than two. */
const maxMonolithicBytes = 1024 * 1024;
const octets = 'application/octet-stream';

/** Whether the repository has a blob. */
export async function hasBlob(session: RepositorySession, digest: Digest, signal: AbortSignal): Promise<boolean> {
  const answer = await session.send({ method: 'HEAD', target: `blobs/${digest}`, accept: [200, 404] }, signal);
  await drop(answer);
  return answer.status === 200;
}

/**
 * Asks for a blob to be taken over from another repository of the same registry.
 *
 * @returns where to upload it where that is not possible, or nothing when it is done
 */
export async function mountBlob(
  session: RepositorySession,
  digest: Digest,
  from: string,
  signal: AbortSignal,
): Promise<URL | undefined> {
  const query = new URLSearchParams({ mount: digest, from }).toString();
  const target = `blobs/uploads/?${query}`;
  const answer = await session.send(
    { method: 'POST', target, alsoPulls: [from], accept: [201, 202], repeatable: true },
    signal,
  );
  await drop(answer);
  return answer.status === 201 ? undefined : session.location(answer);
}

/** Begins an upload. */
export async function beginUpload(session: RepositorySession, signal: AbortSignal): Promise<URL> {
  const request = { method: 'POST', target: 'blobs/uploads/', accept: [202], repeatable: true } as const;
  const answer = await session.send(request, signal);
  await drop(answer);
  return session.location(answer);
}

/** Lets go of an upload that will not be used. Registries that do not know how forget it by themselves. */
export async function cancelUpload(session: RepositorySession, location: URL): Promise<void> {
  const signal = AbortSignal.timeout(10_000);
  const request = { method: 'DELETE', target: location, accept: [200, 202, 204, 404, 405] } as const;
  const answer = await session.send(request, signal);
  await drop(answer);
}

/**
 * Uploads a blob whose digest is known. A large one that breaks off goes on where the registry says that it stopped.
 *
 * @throws GantryError
 */
export async function uploadBlob(
  session: RepositorySession,
  location: URL,
  blob: StoredBlob,
  signal: AbortSignal,
  onProgress: (sent: number) => void,
): Promise<void> {
  if (blob.size <= maxMonolithicBytes) {
    const body = (): Readable => counted(createReadStream(blob.path), 0, onProgress);
    return finishUpload(session, location, blob.digest, signal, { body, size: blob.size });
  }
  let next = location;
  for (let failures = 0, offset = 0; ;) {
    try {
      next = await sendRest(session, next, blob, offset, signal, onProgress);
      return await finishUpload(session, next, blob.digest, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isBrokenConnection(error) || ++failures >= session.attempts) throw error;
      await delay(session.timings.backOff(failures), undefined, { signal });
      ({ next, offset } = await whereItStopped(session, next, blob.size, signal));
    }
  }
}

/**
 * Uploads what is made while it is sent, so that neither its digest nor its size are known before. When it breaks off it is
 * made and sent again.
 */
export async function uploadStream(
  session: RepositorySession,
  location: URL,
  make: () => StreamedBlob,
  signal: AbortSignal,
): Promise<UploadedBlob> {
  let next = location;
  for (let failures = 0; ;) {
    try {
      return await sendStream(session, next, make, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isBrokenConnection(error) || ++failures >= session.attempts) throw error;
      await delay(session.timings.backOff(failures), undefined, { signal });
      next = await beginUpload(session, signal);
    }
  }
}

async function sendStream(
  session: RepositorySession,
  location: URL,
  make: () => StreamedBlob,
  signal: AbortSignal,
): Promise<UploadedBlob> {
  let made = make();
  let isUsed = false;
  const body = (): Readable => {
    // The session may have to send it again, and a stream can be read only once.
    if (isUsed) made = make();
    isUsed = true;
    return made.content;
  };
  const headers = { 'content-type': octets };
  const answer = await session.send({ method: 'PATCH', target: location, headers, body, accept: [202, 204] }, signal);
  await drop(answer);
  const blob = made.result();
  await finishUpload(session, session.location(answer), blob.digest, signal);
  return blob;
}

async function sendRest(
  session: RepositorySession,
  location: URL,
  blob: StoredBlob,
  offset: number,
  signal: AbortSignal,
  onProgress: (sent: number) => void,
): Promise<URL> {
  if (offset >= blob.size) return location;
  const answer = await session.send(
    {
      method: 'PATCH',
      target: location,
      headers: {
        'content-type': octets,
        'content-length': String(blob.size - offset),
        ...(offset > 0 ? { 'content-range': `${offset}-${blob.size - 1}` } : {}),
      },
      body: () =>
        counted(createReadStream(blob.path, { start: offset, highWaterMark: 256 * 1024 }), offset, onProgress),
      accept: [202, 204],
    },
    signal,
  );
  await drop(answer);
  return session.location(answer);
}

async function whereItStopped(
  session: RepositorySession,
  location: URL,
  size: number,
  signal: AbortSignal,
): Promise<{ next: URL; offset: number }> {
  try {
    const answer = await session.send({ method: 'GET', target: location, accept: [204] }, signal);
    await drop(answer);
    const range = answer.headers['range'];
    const last = typeof range === 'string' ? /^(?:bytes=)?0-(\d{1,15})$/.exec(range)?.[1] : undefined;
    // "0-0" is what registries say of an upload of nothing as well as of one byte.
    const offset = last === undefined || last === '0' ? 0 : Number(last) + 1;
    if (offset > 0 && offset <= size) return { next: session.location(answer), offset };
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
  }
  return { next: await beginUpload(session, signal), offset: 0 };
}

async function finishUpload(
  session: RepositorySession,
  location: URL,
  digest: Digest,
  signal: AbortSignal,
  whole?: { body: () => Readable; size: number },
): Promise<void> {
  const target = new URL(location);
  target.searchParams.set('digest', digest);
  const headers = { 'content-type': octets, 'content-length': String(whole?.size ?? 0) };
  const body = whole && whole.size > 0 ? { body: whole.body } : {};
  const answer = await session.send({ method: 'PUT', target, headers, ...body, accept: [201, 204] }, signal);
  await drop(answer);
  const confirmed = answer.headers['docker-content-digest'];
  if (typeof confirmed === 'string' && confirmed !== digest) {
    throw new GantryError('remote', `${target.host} stored ${digest} as ${confirmed}`);
  }
}

/** Counts what goes through. */
function counted(source: Readable, start: number, onProgress: (sent: number) => void): Readable {
  let sent = start;
  async function* count(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      yield chunk;
      sent += chunk.length;
      onProgress(sent);
    }
  }
  return Readable.from(count(), { objectMode: false });
}
