import { Transform, type TransformCallback } from 'node:stream';
import { OutputFrames } from './output-frames.js';

/** Takes Docker's frames apart: passes what was written on either stream on, without the headers. */
export class Demultiplexer extends Transform {
  readonly #frames = new OutputFrames((_stream, data) => this.push(data));

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#frames.push(chunk);
    done();
  }
}
