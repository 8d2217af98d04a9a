import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';

/** A little more than a unix socket takes at once. */
const chunkBytes = 256 * 1024;
/** One is read into while the others are on their way. */
const chunkCount = 4;

/**
 * Writes files to a stream by way of a few buffers that are used again once they have left. A new buffer for each piece
 * of a gigabyte keeps the garbage collector busier than the copying keeps the kernel.
 */
export class ReusedChunks {
  readonly #free: Buffer[] = [];
  #made = 0;
  #wake: (() => void) | undefined;

  /** @param signal ends the waiting for a client that has gone */
  constructor(
    readonly output: Writable,
    readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
  }

  /** Something small, at the speed of the client. */
  async write(bytes: Uint8Array): Promise<void> {
    this.signal.throwIfAborted();
    if (!this.output.write(bytes)) await once(this.output, 'drain', { signal: this.signal });
  }

  /** @returns how many bytes of the file were written: `size`, or fewer if it ends before */
  async writeFile(file: FileHandle, size: number): Promise<number> {
    for (let position = 0; position < size;) {
      const chunk = await this.#take();
      const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, size - position), position);
      if (bytesRead === 0) return position;
      this.signal.throwIfAborted();
      this.output.write(chunk.subarray(0, bytesRead), () => this.#giveBack(chunk));
      position += bytesRead;
    }
    return size;
  }

  async #take(): Promise<Buffer> {
    for (;;) {
      this.signal.throwIfAborted();
      const chunk = this.#free.pop();
      if (chunk) return chunk;
      if (this.#made < chunkCount) {
        this.#made++;
        return Buffer.allocUnsafeSlow(chunkBytes);
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #giveBack(chunk: Buffer): void {
    this.#free.push(chunk);
    this.#wake?.();
  }
}
