import { code, RpcError } from './rpc-error.js';

const headerSize = 5;

/** Larger messages of a client are refused. gRPC's own limit is the same. */
const maximumMessage = 4 * 1024 * 1024;

/** A message with the length in front that gRPC puts there. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(headerSize + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, headerSize);
  return framed;
}

/** Cuts a stream of bytes into messages. */
export class FrameReader {
  #parts: Buffer[] = [];
  #size = 0;

  constructor(readonly onMessage: (message: Buffer) => void) {}

  /** @throws RpcError when the peer does not keep to the protocol */
  push(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#size += chunk.length;
    // Put together once per message: chunks of a long one only queue up.
    while (this.#size >= headerSize) {
      const length = this.#length();
      if (this.#size < headerSize + length) return;
      this.onMessage(this.#take(headerSize + length).subarray(headerSize));
    }
  }

  /** Whether a message has begun that is not complete. */
  get inMessage(): boolean {
    return this.#size > 0;
  }

  #length(): number {
    if (this.#parts[0]!.length < headerSize) this.#parts = [Buffer.concat(this.#parts)];
    const [first] = this.#parts;
    if (first![0] !== 0) throw new RpcError(code.internal, 'the client sent a compressed message');
    const length = first!.readUInt32BE(1);
    if (length > maximumMessage)
      throw new RpcError(code.resourceExhausted, `the client sent a message of ${length} bytes`);
    return length;
  }

  #take(length: number): Buffer {
    const [first] = this.#parts;
    const joined = first!.length >= length ? first! : Buffer.concat(this.#parts);
    if (joined !== first) this.#parts = [joined];
    if (joined.length === length) this.#parts.shift();
    else this.#parts[0] = joined.subarray(length);
    this.#size -= length;
    return joined.subarray(0, length);
  }
}
