import { Duplex } from 'node:stream';
import type { WebSocket } from '@fastify/websocket';

/** Bytes that may wait for a slow client before its writer is held back. */
const HIGH_WATER = 256 * 1024;

/**
 * A websocket as a stream of bytes: each write is a binary frame; frames of either type are read. It can be handed out
 * before the handshake, which `attach` completes. A close by the client ends both directions.
 */
export class WebSocketStream extends Duplex {
  #socket: WebSocket | undefined;
  #pending: (() => void) | undefined;

  attach(socket: WebSocket): void {
    if (this.destroyed) {
      socket.close();
      return;
    }
    this.#socket = socket;
    socket.on('message', (data: Buffer | ArrayBuffer | Buffer[]) => {
      const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer);
      if (bytes.length > 0 && !this.push(bytes)) socket.pause();
    });
    socket.on('close', () => {
      this.push(null);
      this.destroy();
    });
    socket.on('error', (error: Error) => this.destroy(error));
    this.#pending?.();
    this.#pending = undefined;
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    const socket = this.#socket;
    if (!socket) {
      this.#pending = () => this._write(chunk, _encoding, callback);
      return;
    }
    if (socket.bufferedAmount < HIGH_WATER) {
      socket.send(chunk, { binary: true }, () => undefined);
      callback();
    } else {
      // The callback of a send comes when everything before it has been handed to the kernel.
      socket.send(chunk, { binary: true }, (error) => callback(error));
    }
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#socket) this.#socket.close(1000);
    else this.#pending = () => this.#socket?.close(1000);
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#socket && this.#socket.readyState <= 1) this.#socket.close(error ? 1011 : 1000);
    callback(error);
  }
}
