import { Duplex } from 'node:stream';

/** The two ends of a call that carries bytes in messages. */
export interface ByteCall {
  /** @returns whether more should be sent now */
  send(data: Buffer): boolean;
  /** When it may be sent again. */
  drained(): Promise<void>;
  /** Nothing more is sent. @returns when the writing end counts as finished */
  end(): Promise<void>;
  /** Ends both directions at once. */
  cancel(reason: Error): void;
  pause(): void;
  resume(): void;
}

/** A messages' size that neither splits network packets needlessly nor holds up others. */
const chunkSize = 32 * 1024;

/** Bytes in messages, as a stream. */
export class RpcDuplex extends Duplex {
  #call: ByteCall | undefined;

  constructor() {
    super({ allowHalfOpen: true });
  }

  /** @param call where what is written goes */
  attach(call: ByteCall): this {
    this.#call = call;
    return this;
  }

  /** What came in the next message. */
  receive(data: Buffer): void {
    if (!this.destroyed && !this.push(data)) this.#call?.pause();
  }

  /** Nothing more comes. */
  receiveEnd(): void {
    if (!this.destroyed) this.push(null);
  }

  override _read(): void {
    this.#call?.resume();
  }

  override _write(data: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    void this.#send(data).then(() => callback(), callback);
  }

  async #send(data: Buffer): Promise<void> {
    for (let offset = 0; offset < data.length; offset += chunkSize) {
      if (!this.#call!.send(data.subarray(offset, offset + chunkSize))) await this.#call!.drained();
    }
  }

  override _final(callback: (error?: Error | null) => void): void {
    void this.#call!.end().then(() => callback(), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (error || !this.readableEnded || !this.writableFinished) this.#call?.cancel(error ?? new Error('closed'));
    callback(error);
  }
}
