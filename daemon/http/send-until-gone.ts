import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Sends a stream as the body of an answer. A client that goes away in the middle is no error; it ends the source. */
export async function sendUntilGone(source: Readable, target: Writable, signal: AbortSignal): Promise<void> {
  try {
    await pipeline(source, target, { signal });
  } catch (error) {
    if (!signal.aborted && (error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}
