const headerLength = 4;
const maximumLength = 16 * 1024 * 1024;

/** A message as docs/shim-protocol.md frames it: a 32-bit little-endian length, then JSON. */
export function encodeMessage(message: object): Buffer {
  const json = JSON.stringify(message);
  const length = Buffer.byteLength(json);
  const frame = Buffer.allocUnsafe(headerLength + length);
  frame.writeUInt32LE(length);
  frame.write(json, headerLength);
  return frame;
}

/** Cuts a byte stream into messages, however it was split on the way. */
export class MessageReader {
  #buffered: Buffer = Buffer.alloc(0);
  #detached = false;

  constructor(readonly onMessage: (message: unknown) => void) {}

  /** @throws Error for a message longer than the protocol allows */
  push(chunk: Buffer): void {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    while (!this.#detached && this.#buffered.length >= headerLength) {
      const length = this.#buffered.readUInt32LE();
      if (length > maximumLength) throw new Error(`a message of ${length} bytes from a shim`);
      if (this.#buffered.length < headerLength + length) return;
      const message = this.#buffered.toString('utf8', headerLength, headerLength + length);
      this.#buffered = this.#buffered.subarray(headerLength + length);
      this.onMessage(JSON.parse(message));
    }
  }

  /** Ends the framing, from within `onMessage`: returns what has arrived after that message. */
  detach(): Buffer {
    this.#detached = true;
    return this.#buffered;
  }
}
