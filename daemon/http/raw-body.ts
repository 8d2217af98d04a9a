import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { invalid } from '../errors.js';
import { bodyTimeout, bodyTooLarge } from './body.js';
import type { Limits } from './limits.js';

/** The longest line that says how long a chunk is. */
const MAXIMUM_CHUNK_LINE = 1024;

type Step = { done: true; body: Buffer; rest: Buffer } | { done: false };

/**
 * Reads the body of a request off its bare connection and leaves what follows (a client's stdin) readable there.
 * `head` is what had arrived behind the header.
 * @throws GantryError, HttpError
 */
export async function readRawBody(
  headers: IncomingHttpHeaders,
  socket: Socket,
  head: Buffer,
  limits: Limits,
): Promise<Buffer> {
  const parse = bodyParser(headers, limits);
  return new Promise((resolve, reject) => {
    let received = head;
    let finished = false;
    const timer = setTimeout(() => fail(bodyTimeout(limits.jsonTimeout)), limits.jsonTimeout);
    const stop = (): void => {
      finished = true;
      clearTimeout(timer);
      socket.off('data', onData).off('end', onEnd).off('close', onEnd);
      socket.pause();
    };
    const fail = (error: unknown): void => {
      stop();
      reject(error);
    };
    const onEnd = (): void => fail(invalid('the connection was closed before the request body was complete'));
    const onData = (chunk: Buffer): void => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      advance();
    };
    const advance = (): void => {
      try {
        const step = parse(received);
        if (!step.done) return;
        stop();
        if (step.rest.length > 0) socket.unshift(step.rest);
        resolve(step.body);
      } catch (error) {
        fail(error);
      }
    };
    socket.on('data', onData).on('end', onEnd).on('close', onEnd);
    socket.pause();
    advance();
    if (!finished) socket.resume();
  });
}

function bodyParser(headers: IncomingHttpHeaders, limits: Limits): (received: Buffer) => Step {
  if (headers['transfer-encoding'] !== undefined) {
    if (headers['transfer-encoding'].toLowerCase() !== 'chunked') throw invalid('unsupported transfer encoding');
    return (received) => parseChunks(received, limits.jsonBytes);
  }
  const text = headers['content-length'] ?? '0';
  if (!/^\d{1,15}$/.test(text)) throw invalid(`invalid Content-Length: ${text}`);
  const length = Number(text);
  if (length > limits.jsonBytes) throw bodyTooLarge(limits.jsonBytes);
  return (received) =>
    received.length < length
      ? { done: false }
      : { done: true, body: received.subarray(0, length), rest: received.subarray(length) };
}

/** Parses from the start each time: the bodies that come this way are a few dozen bytes. */
function parseChunks(received: Buffer, limit: number): Step {
  const chunks: Buffer[] = [];
  let size = 0;
  let offset = 0;
  for (;;) {
    const line = takeLine(received, offset);
    if (!line) return { done: false };
    const digits = /^([0-9A-Fa-f]{1,8})\s*(?:;.*)?$/.exec(line.text)?.[1];
    if (digits === undefined) throw invalid('malformed chunked encoding');
    const length = Number.parseInt(digits, 16);
    size += length;
    if (size > limit) throw bodyTooLarge(limit);
    if (length === 0) return skipTrailers(received, line.next, Buffer.concat(chunks));
    const end = line.next + length;
    if (received.length < end + 2) return { done: false };
    if (received[end] !== 0x0d || received[end + 1] !== 0x0a) throw invalid('malformed chunked encoding');
    chunks.push(received.subarray(line.next, end));
    offset = end + 2;
  }
}

function skipTrailers(received: Buffer, start: number, body: Buffer): Step {
  let offset = start;
  for (;;) {
    const line = takeLine(received, offset);
    if (!line) return { done: false };
    offset = line.next;
    if (line.text === '') return { done: true, body, rest: received.subarray(offset) };
  }
}

function takeLine(received: Buffer, offset: number): { text: string; next: number } | undefined {
  const end = received.indexOf('\r\n', offset, 'latin1');
  if (end < 0 && received.length - offset <= MAXIMUM_CHUNK_LINE) return undefined;
  if (end < 0 || end - offset > MAXIMUM_CHUNK_LINE) throw invalid('malformed chunked encoding');
  return { text: received.toString('latin1', offset, end), next: end + 2 };
}
