import type { IncomingMessage } from 'node:http';
import { invalid } from '../errors.js';
import type { Decoder } from './decode.js';
import { HttpError } from './errors.js';
import type { Limits } from './limits.js';
import type { BodyPlan } from './plan.js';

/**
 * Decodes a JSON body. An empty one is `{}`, unless the operation insists on one.
 * @throws GantryError (invalid) with dockerd's wording
 */
export function decodeJson(
  bytes: Buffer,
  contentType: string | undefined,
  plan: BodyPlan & { kind: 'json' },
  decoder: Decoder,
): unknown {
  if (bytes.length === 0) {
    if (plan.required) throw invalid('invalid JSON: got EOF while reading request body');
    return {};
  }
  requireJson(contentType);
  const value = parseJson(bytes);
  return value === null ? {} : decoder.decode(value, plan.shape);
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw invalid(`invalid JSON: ${(error as SyntaxError).message}`);
  }
}

function requireJson(contentType: string | undefined): void {
  const mediaType = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (mediaType === 'application/json') return;
  if (mediaType === '') throw invalid(`malformed Content-Type header (${contentType ?? ''}): mime: no media type`);
  throw invalid(`unsupported Content-Type header (${mediaType}): must be 'application/json'`);
}

/** Reads a whole body, at most `limits.jsonBytes`, within `limits.jsonTimeout`. */
export function readBody(request: IncomingMessage, limits: Limits): Promise<Buffer> {
  if (request.complete && request.readableLength === 0 && request.readableEnded)
    return Promise.resolve(Buffer.alloc(0));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => finish(bodyTimeout(limits.jsonTimeout)), limits.jsonTimeout);
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('error', onClose).off('close', onClose);
      if (error) {
        request.pause();
        reject(error);
      } else resolve(Buffer.concat(chunks, size));
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limits.jsonBytes) finish(bodyTooLarge(limits.jsonBytes));
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish();
    const onClose = (): void => finish(invalid('the connection was closed before the request body was complete'));
    request.on('data', onData).on('end', onEnd).on('error', onClose).on('close', onClose);
  });
}

export const bodyTooLarge = (limit: number): HttpError =>
  new HttpError(413, `the request body is larger than the ${limit} bytes allowed for JSON`);

export const bodyTimeout = (limit: number): HttpError =>
  new HttpError(408, `the request body did not arrive within ${limit / 1000} seconds`);

/**
 * Gives up a binary body whose client has stopped sending: everything that came has been read, and for a whole interval
 * nothing more arrived. A body whose reader is busy is left alone.
 */
export function watchBody(request: IncomingMessage, idleTimeout: number): void {
  if (request.complete) return;
  let seen = request.socket.bytesRead;
  const timer = setInterval(() => {
    const bytes = request.socket.bytesRead;
    if (request.complete) stop();
    else if (request.readableLength === 0 && bytes === seen) {
      request.destroy(new HttpError(408, `the request body stalled for ${idleTimeout / 1000} seconds`));
    }
    seen = bytes;
  }, idleTimeout);
  timer.unref();
  const stop = (): void => clearInterval(timer);
  request.once('end', stop).once('close', stop);
}
