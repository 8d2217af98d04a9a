import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { code, RpcError } from './rpc-error.js';
import { frame, FrameReader } from './rpc-frames.js';

/** Of one stream and of the whole connection: a context is read as fast as it comes. */
const streamWindow = 1024 * 1024;
const connectionWindow = 2 * 1024 * 1024;

/** A method of a service, as far as calling it needs to know it. */
export interface Method<Request, Response> {
  path: string;
  requestSerialize: (request: Request) => Buffer;
  responseDeserialize: (bytes: Buffer) => Response;
}

export type CallMetadata = Readonly<Record<string, string | readonly string[]>>;

export interface CallOptions {
  metadata?: CallMetadata;
  signal?: AbortSignal | undefined;
}

/**
 * Calls over a connection that the other side opened: a gRPC client, which grpc-js does not have for a socket that is there
 * already.
 */
export class RpcClient {
  readonly #session: ClientHttp2Session;
  readonly #closed = new AbortController();

  constructor(connection: Duplex) {
    this.#session = connect('http://session', {
      createConnection: () => connection,
      settings: { enablePush: false, initialWindowSize: streamWindow },
    });
    const close = (): void => this.close();
    this.#session.on('error', close).on('close', close).on('goaway', close);
    this.#session.once('connect', () => this.#session.setLocalWindowSize(connectionWindow));
    connection.on('error', close).on('close', close);
  }

  /** Aborted when the connection has ended. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#session.destroy();
  }

  /** A call with one request and one response. */
  async unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    let response: Response | undefined;
    const call = this.open(method, options, (message) => (response = method.responseDeserialize(message)));
    call.send(method.requestSerialize(request));
    call.end();
    await call.finished;
    if (response === undefined) throw new RpcError(code.internal, `${method.path}: the client sent no response`);
    return response;
  }

  /** A call whose messages are given to `onMessage` as they come; what that throws ends the call. */
  open(method: { path: string }, options: CallOptions, onMessage: (message: Buffer) => void): RpcCall {
    if (this.closed.aborted) throw new RpcError(code.unavailable, 'the client has gone');
    options.signal?.throwIfAborted();
    const stream = this.#session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: method.path,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
      ...headerValues(options.metadata ?? {}),
    });
    return new RpcCall(stream, method.path, onMessage, options.signal);
  }
}

/** A call under way. */
export class RpcCall {
  /** Settled when the client has told its outcome. */
  readonly finished: Promise<void>;
  #failure: Error | undefined;

  constructor(
    readonly stream: ClientHttp2Stream,
    readonly path: string,
    onMessage: (message: Buffer) => void,
    signal: AbortSignal | undefined,
  ) {
    const reader = new FrameReader(onMessage);
    let status: RpcError | undefined;
    const readStatus = (headers: IncomingHttpHeaders): void => {
      if (headers['grpc-status'] !== undefined) status = statusOf(headers);
    };
    const abort = (): void => this.cancel(signal!.reason as Error);
    this.finished = new Promise((resolve, reject) => {
      stream
        .on('response', (headers) => {
          readStatus(headers);
          const http = headers[':status'];
          if (http !== 200)
            this.cancel(new RpcError(code.internal, `${path}: the client answered HTTP status ${http}`));
        })
        .on('trailers', readStatus)
        .on('data', (chunk: Buffer) => {
          try {
            reader.push(chunk);
          } catch (error) {
            this.cancel(error as Error);
          }
        })
        .on('error', (error: Error) => (this.#failure ??= new RpcError(code.unavailable, `${path}: ${error.message}`)))
        .on('close', () => {
          signal?.removeEventListener('abort', abort);
          const missing = status === undefined || (status.code === code.ok && reader.inMessage);
          const gone = missing ? new RpcError(code.unavailable, `${path}: the client has gone`) : undefined;
          const failure = this.#failure ?? gone ?? (status?.code === code.ok ? undefined : status);
          if (failure) reject(failure);
          else resolve();
        });
    });
    this.finished.catch(() => undefined);
    signal?.addEventListener('abort', abort, { once: true });
  }

  /** @returns whether more should be sent now; otherwise `drained` tells when. */
  send(message: Uint8Array): boolean {
    if (this.stream.destroyed || this.stream.writableEnded) return true;
    return this.stream.write(frame(message));
  }

  /** When what was sent has left, or the call has ended. */
  async drained(): Promise<void> {
    if (!this.stream.writableNeedDrain || this.stream.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.stream.off('drain', done).off('close', done);
        resolve();
      };
      this.stream.on('drain', done).on('close', done);
    });
  }

  /** Nothing more is sent. */
  end(): void {
    this.stream.end();
  }

  cancel(reason: Error): void {
    this.#failure ??= reason;
    this.stream.close(constants.NGHTTP2_CANCEL);
    // Without data in flight nothing else would end it.
    this.stream.destroy();
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }
}

function headerValues(metadata: CallMetadata): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [name, typeof value === 'string' ? value : [...value]]),
  );
}

function statusOf(headers: IncomingHttpHeaders): RpcError {
  const number = Number(headers['grpc-status']);
  const message = headers['grpc-message'];
  return new RpcError(Number.isInteger(number) ? number : code.unknown, percentDecoded(String(message ?? '')));
}

/** gRPC writes what is not printable ASCII as %XX; what is not so written stays. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
