const headerLength = 8;

/** Takes Docker's frames apart, as they come in pieces: which stream, and what was written. */
export class OutputFrames {
  #header = Buffer.alloc(0);
  /** Bytes of the current frame that are still to come. */
  #missing = 0;
  #stream: 'stdout' | 'stderr' = 'stdout';

  constructor(readonly write: (stream: 'stdout' | 'stderr', data: Uint8Array) => void) {}

  push(chunk: Buffer): void {
    for (let offset = 0; offset < chunk.length;) {
      if (this.#missing === 0) {
        const part = chunk.subarray(offset, offset + headerLength - this.#header.length);
        offset += part.length;
        this.#header = Buffer.concat([this.#header, part]);
        if (this.#header.length < headerLength) return;
        this.#stream = this.#header[0] === 2 ? 'stderr' : 'stdout';
        this.#missing = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
      } else {
        const payload = chunk.subarray(offset, offset + this.#missing);
        offset += payload.length;
        this.#missing -= payload.length;
        this.write(this.#stream, payload);
      }
    }
  }
}
