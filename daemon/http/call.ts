import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex, Writable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Requests } from '../generated/operations.js';
import type { ApiVersion } from './version.js';

export type OperationId = keyof Requests;

/** What a connection that is taken over is for. `multiplexed`: stdout and stderr come in frames, as without a terminal. */
export type ConnectionUse = { multiplexed: boolean } | { protocol: 'h2c' };

/** One request, decoded as the API document describes its operation. */
export interface Call<Op extends OperationId = OperationId> {
  params: Requests[Op]['params'];
  query: Requests[Op]['query'];
  /** Decoded JSON without nulls (an absent body is `{}`), or the stream of a binary body, untouched. */
  body: Requests[Op]['body'];
  headers: IncomingHttpHeaders;
  version: ApiVersion;
  request: FastifyRequest;
  reply: FastifyReply;
  /** Aborted when the client has gone before the answer was complete, and when the server closes. */
  signal: AbortSignal;
  /**
   * Sends the head of a successful response at once and returns what its body is written to; the handler ends it.
   * From here on a failure can only be told inside the body.
   */
  stream: (contentType: string) => Writable;
  /**
   * Takes the connection over (ContainerAttach, ContainerAttachWebsocket, ExecStart, Session, BuildKitCalls). The end of the
   * readable side is the end of the client's input, after which output may go on. Before this is called, a failure is an
   * ordinary response.
   */
  hijack: (use: ConnectionUse) => Duplex;
}

/**
 * What each operation does. The result is the body: a stream, a string or buffer, or a value sent as JSON; nothing when
 * it is undefined. The status is the documented one of success unless the handler set another with `call.reply.code`.
 */
export type Handlers = {
  [Op in OperationId]?: (call: Call<Op>) => unknown;
};
