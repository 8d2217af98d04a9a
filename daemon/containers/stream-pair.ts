import type { Duplex, Transform } from 'node:stream';
import { DetachKeys } from './detach-keys.js';

export interface StreamPairOptions {
  stdin: boolean;
  /** Only with a terminal: the keys that detach the client. */
  detachKeys?: Buffer | undefined;
  onDetach?: () => void;
  /** What the output goes through on its way to the client. */
  through?: Transform | undefined;
  /** The client is let go only after this, too: what it asks for next depends on it. */
  until?: Promise<unknown>;
}

/**
 * Connects a client's hijacked connection with a stream of the shim, both ways and with back-pressure.
 * The client's end of input closes the process's stdin and leaves the output flowing; the end of the output ends the client.
 * @returns resolves when the output has ended or the client is gone
 */
export function connectStreams(client: Duplex, process: Duplex, options: StreamPairOptions): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      process.destroy();
      resolve();
    };
    client.on('error', finish);
    process.on('error', () => client.end());
    client.once('close', finish);
    const release = (): void => void (options.until ?? Promise.resolve()).then(() => client.end(resolve));
    const output = options.through ? process.pipe(options.through) : process;
    output.once('end', release);
    process.once('close', () => (options.through ? options.through.end() : release()));
    output.pipe(client, { end: false });
    if (!options.stdin) {
      // Input of a client that only watches is read and dropped, so that its end is noticed.
      client.resume();
      client.once('end', () => process.end());
    } else if (options.detachKeys) {
      const keys = new DetachKeys(options.detachKeys);
      keys.once('detach', () => {
        options.onDetach?.();
        process.destroy();
        client.end(resolve);
      });
      client.pipe(keys).pipe(process);
    } else {
      client.pipe(process);
    }
  });
}
