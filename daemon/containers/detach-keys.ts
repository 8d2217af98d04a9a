import { Transform, type TransformCallback } from 'node:stream';
import { invalid } from '../errors.js';

/** "ctrl-p,ctrl-q" or "a,b": the bytes. @throws GantryError invalid */
export function parseDetachKeys(text: string | undefined): Buffer {
  if (!text) return Buffer.from([16, 17]);
  const bytes = text.split(',').map((key) => {
    if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key);
    if (!control) throw invalid(`invalid detach keys: Unknown character: '${key}'`);
    return control[1]!.toUpperCase().charCodeAt(0) & 0x1f;
  });
  return Buffer.from(bytes);
}

/**
 * Passes terminal input on until the keys come in sequence; then ends, and says so by a `detach` event.
 * The beginning of a sequence is held back until the next byte shows whether it goes on.
 */
export class DetachKeys extends Transform {
  #matched = 0;

  constructor(readonly keys: Buffer) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const passed: number[] = [];
    for (const byte of chunk) {
      if (byte !== this.keys[this.#matched]) {
        passed.push(...this.keys.subarray(0, this.#matched));
        this.#matched = 0;
      }
      if (byte === this.keys[this.#matched]) this.#matched++;
      else passed.push(byte);
      if (this.#matched === this.keys.length) {
        if (passed.length > 0) this.push(Buffer.from(passed));
        this.emit('detach');
        return done();
      }
    }
    if (passed.length > 0) this.push(Buffer.from(passed));
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.#matched > 0 && this.#matched < this.keys.length) this.push(this.keys.subarray(0, this.#matched));
    done();
  }
}
