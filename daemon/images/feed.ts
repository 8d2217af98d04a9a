import { once } from 'node:events';
import { Socket } from 'node:net';
import type { Addon } from '../runtime/addon.js';

/**
 * Feeds a stream to native code through a pipe. The event loop only passes chunks on; whoever reads the pipe does the
 * work. An error of the source comes before the consumer's, which then saw only a part of it.
 *
 * @param consume is given the pipe's read end, which it closes
 */
export async function feedPipe<Result>(
  addon: Addon,
  source: AsyncIterable<Uint8Array>,
  consume: (input: number) => Promise<Result>,
): Promise<Result> {
  const [readEnd, writeEnd] = addon.pipe();
  const sink = new Socket({ fd: writeEnd, readable: false, writable: true });
  // A broken pipe means that the consumer has ended, and it says how.
  sink.on('error', () => undefined);
  const consumed = consume(readEnd);
  const [result, sent] = await Promise.allSettled([consumed, send(source, sink, consumed)]);
  if (sent.status === 'rejected') throw sent.reason;
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

async function send(source: AsyncIterable<Uint8Array>, sink: Socket, consumed: Promise<unknown>): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  const closed = new AbortController();
  const stopped = new Promise<undefined>((resolve) => {
    const stop = (): void => {
      closed.abort();
      resolve(undefined);
    };
    consumed.then(stop, stop);
  });
  try {
    for (;;) {
      // The consumer may end while the source has nothing to say, for ever perhaps.
      const next = await Promise.race([iterator.next(), stopped]);
      if (next === undefined) return void iterator.return?.();
      if (next.done) break;
      if (!sink.write(next.value)) await once(sink, 'drain', { signal: closed.signal }).catch(() => undefined);
    }
    sink.end();
    await stopped;
  } finally {
    sink.destroy();
  }
}
