import type { Duplex } from 'node:stream';
import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { serviceError } from './failure.js';

/** Of a request: a build graph with the whole text of a Dockerfile in it. */
const maximumRequest = 16 * 1024 * 1024;

/** What a handler knows of its call beside the request. */
export interface CallContext {
  /** Aborted when the client has given up, or has gone. */
  signal: AbortSignal;
  metadata: Metadata;
}

/** One for all: an exception costs more than a small call. */
const clientLeft = new DOMException('the client has given up', 'AbortError');

/** A method with one response. */
export function unary<Request, Response>(
  handle: (request: Request, context: CallContext) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const left = new AbortController();
    call.on('cancelled', () => left.abort(clientLeft));
    handle(call.request, { signal: left.signal, metadata: call.metadata }).then(
      (response) => callback(null, response),
      (error: unknown) => callback(serviceError(error)),
    );
  };
}

/** A method with a stream of responses; `send` resolves when the next one may come. */
export function streaming<Request, Response>(
  handle: (request: Request, send: (response: Response) => Promise<void>, context: CallContext) => Promise<void>,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const left = new AbortController();
    call.on('cancelled', () => left.abort(clientLeft));
    call.on('error', () => left.abort(clientLeft));
    const send = async (response: Response): Promise<void> => {
      if (left.signal.aborted || call.write(response)) return;
      await new Promise<void>((resolve) => {
        left.signal.addEventListener('abort', () => resolve(), { once: true });
        call.once('drain', resolve);
      });
    };
    handle(call.request, send, { signal: left.signal, metadata: call.metadata }).then(
      () => call.end(),
      (error: unknown) => call.emit('error', serviceError(error)),
    );
  };
}

/** Serves gRPC on connections that began as something else. */
export class RpcServer {
  readonly #server = new Server({
    'grpc.max_receive_message_length': maximumRequest,
    // Nobody asks for statistics of connections and calls.
    'grpc.enable_channelz': 0,
  });
  readonly #injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());

  add(service: ServiceDefinition, implementation: UntypedServiceImplementation): this {
    this.#server.addService(service, implementation);
    return this;
  }

  serve(connection: Duplex): void {
    this.#injector.injectConnection(connection);
  }

  close(): void {
    this.#injector.destroy();
    this.#server.forceShutdown();
  }
}
