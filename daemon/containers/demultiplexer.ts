import { Transform, type TransformCallback } from 'node:stream';

const headerLength = 8;

/** Takes Docker's frames apart: passes what was written on either stream on, without the headers. */
export class Demultiplexer extends Transform {
  /** The part of a header that has arrived. */
  #header = Buffer.alloc(0);
  /** Bytes of the current frame that are still to come. */
  #missing = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    for (let offset = 0; offset < chunk.length;) {
      if (this.#missing === 0) {
        const part = chunk.subarray(offset, offset + headerLength - this.#header.length);
        offset += part.length;
        this.#header = Buffer.concat([this.#header, part]);
        if (this.#header.length < headerLength) break;
        this.#missing = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
      } else {
        const payload = chunk.subarray(offset, offset + this.#missing);
        offset += payload.length;
        this.#missing -= payload.length;
        this.push(payload);
      }
    }
    done();
  }
}
