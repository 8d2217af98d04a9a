import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { toErrorResponse } from './errors.js';

/** One line of a progress stream: what pulls, loads, imports and builds tell while they run. */
export interface ProgressMessage {
  status?: string;
  id?: string;
  stream?: string;
  progressDetail?: { current?: number; total?: number };
  /** `progressDetail` drawn as text, for clients that do not draw it themselves. */
  progress?: string;
  aux?: unknown;
}

/**
 * Runs a task that tells about its progress. The response begins with the first message; a failure before that is an ordinary
 * error response, one after that is the last line of the stream, where clients look for it.
 *
 * `open` is `() => call.stream('application/json')`.
 */
export async function streamProgress(
  open: () => Writable,
  signal: AbortSignal,
  task: (report: (message: ProgressMessage) => Promise<void>) => Promise<void>,
): Promise<void> {
  let output: Writable | undefined;
  const write = async (message: object): Promise<void> => {
    signal.throwIfAborted();
    output ??= open();
    // A slow client holds the task back instead of filling our memory.
    if (!output.write(`${JSON.stringify(message)}\r\n`)) await once(output, 'drain', { signal });
  };
  try {
    await task(write);
  } catch (error) {
    if (!output) throw error;
    const { message } = toErrorResponse(error);
    if (!signal.aborted) await write({ errorDetail: { message }, error: message });
  }
  (output ?? open()).end();
}
