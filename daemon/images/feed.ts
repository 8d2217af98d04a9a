import { once } from 'node:events';
import { Socket } from 'node:net';
import type { Addon } from '../runtime/addon.js';

export interface FeedOptions {
  /**
   * Nobody else uses the chunks: their memory is given back as soon as they are written. Otherwise the garbage collector
   * has to find them, and with a gigabyte in small pieces it does little else.
   */
  ownsChunks?: boolean;
}

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
  { ownsChunks = false }: FeedOptions = {},
): Promise<Result> {
  const [readEnd, writeEnd] = addon.pipe();
  const sink = new Socket({ fd: writeEnd, readable: false, writable: true });
  // A broken pipe means that the consumer has ended, and it says how.
  sink.on('error', () => undefined);
  const consumed = consume(readEnd);
  const [result, sent] = await Promise.allSettled([consumed, send(source, sink, consumed, ownsChunks)]);
  if (sent.status === 'rejected') throw sent.reason;
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

async function send(
  source: AsyncIterable<Uint8Array>,
  sink: Socket,
  consumed: Promise<unknown>,
  ownsChunks: boolean,
): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  const end = new ConsumerEnd(consumed);
  try {
    for (;;) {
      // The consumer may end while the source has nothing to say, for ever perhaps.
      const next = await end.or(iterator.next());
      if (next === undefined) return void iterator.return?.();
      if (next.done) break;
      const chunk = next.value;
      const isFlowing = sink.write(chunk, () => ownsChunks && release(chunk));
      if (!isFlowing) await end.or(once(sink, 'drain'));
    }
    sink.end();
    await end.reached;
  } finally {
    sink.destroy();
  }
}

/** Frees the memory of a chunk that has been written, unless it is a part of something larger. */
function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** That the consumer has ended, well or not. */
class ConsumerEnd {
  readonly reached: Promise<void>;
  #isReached = false;
  #wake: (() => void) | undefined;

  constructor(consumed: Promise<unknown>) {
    const end = (): void => {
      this.#isReached = true;
      this.#wake?.();
    };
    this.reached = consumed.then(end, end);
  }

  /** The result of `work`, or nothing when the end comes first. (Promise.race would keep every result until then.) */
  or<Result>(work: Promise<Result>): Promise<Result | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#isReached) resolve(undefined);
      this.#wake = () => resolve(undefined);
      work.then(resolve, reject);
    });
  }
}
