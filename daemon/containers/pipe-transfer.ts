import { once } from 'node:events';
import { Socket } from 'node:net';
import { type Readable, Transform, pipeline } from 'node:stream';
import type { Addon } from '../runtime/addon.js';

/**
 * What `produce` writes to the descriptor it is given, as a stream that ends well only if `produce` succeeded. Destroying
 * the stream closes the pipe, which ends `produce` with EPIPE.
 */
export function readFromPipe(addon: Addon, produce: (output: number) => Promise<void>): Readable {
  const [readEnd, writeEnd] = addon.pipe();
  const socket = new Socket({ fd: readEnd, readable: true, writable: false });
  const produced = produce(writeEnd);
  const stream = new Transform({
    transform(chunk, _encoding, done) {
      done(null, chunk);
    },
    // The pipe also ends when producing failed half-way; only the promise tells.
    flush(done) {
      produced.then(() => done(), done);
    },
  });
  // Whoever destroyed the stream knows why the pipe broke.
  produced.catch(() => undefined);
  pipeline(socket, stream, () => undefined);
  return stream;
}

/**
 * Feeds `body` to `consume` through a pipe. The consumer's own failure comes first; a body that breaks off is an error
 * even if what had arrived was enough for the consumer. The body is never destroyed, so that a client can still be
 * answered on its connection; what nobody wanted of it flows away.
 */
export async function writeToPipe<Result>(
  addon: Addon,
  body: Readable,
  consume: (input: number) => Promise<Result>,
): Promise<Result> {
  const [readEnd, writeEnd] = addon.pipe();
  const consumed = consume(readEnd);
  const sink = new Socket({ fd: writeEnd, readable: false, writable: true });
  const [result, sent] = await Promise.allSettled([consumed, send(body, sink, consumed)]);
  if (sent.status === 'rejected') throw sent.reason;
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

/** One for all: an exception takes a while to make. */
const consumerEnded = new Error('the consumer has ended');

async function send(body: Readable, sink: Socket, consumed: Promise<unknown>): Promise<void> {
  const closed = new AbortController();
  let finished = false;
  const stop = (): void => {
    finished = true;
    closed.abort(consumerEnded);
  };
  consumed.then(stop, stop);
  // A broken pipe means that the consumer has ended, and it says how.
  sink.on('error', stop);
  try {
    for await (const chunk of bodyUntil(body, closed.signal)) {
      if (finished) break;
      if (!sink.write(chunk)) await once(sink, 'drain', { signal: closed.signal }).catch(() => undefined);
    }
    if (!finished) sink.end();
    await Promise.allSettled([consumed]);
  } finally {
    sink.destroy();
    if (!body.readableEnded) body.resume();
  }
}

/** The chunks of a body until it ends or `signal` says that no more are wanted; leaves the body intact. */
async function* bodyUntil(body: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  while (!signal.aborted) {
    const chunk = body.read() as Buffer | null;
    if (chunk !== null) {
      yield chunk;
      continue;
    }
    if (body.errored) throw body.errored;
    if (body.readableEnded) return;
    if (body.destroyed) throw new Error('the request body ended before it was complete');
    await nextEvent(body, signal);
  }
}

function nextEvent(body: Readable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const events = ['readable', 'end', 'error', 'close'] as const;
    const done = (): void => {
      for (const event of events) body.off(event, done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    for (const event of events) body.on(event, done);
    signal.addEventListener('abort', done);
  });
}
