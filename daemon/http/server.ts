import { EventEmitter } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import {
  fastify,
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyServerOptions,
} from 'fastify';
import { plans, shapes } from '../generated/operations.js';
import { absentEndpoint } from './absent-endpoints.js';
import type { Handlers } from './call.js';
import { answerMalformedRequest } from './client-error.js';
import { Decoder } from './decode.js';
import { toErrorResponse } from './errors.js';
import { engineHeaders } from './headers.js';
import { sendJson } from './json-reply.js';
import { lingerAfterAnswer } from './linger.js';
import { defaultLimits, type Limits } from './limits.js';
import { requestFacts, routingUrl } from './request-facts.js';
import { bindRoutes } from './routes.js';
import { acceptUpgrades, EngineRequest, shouldUpgrade } from './upgrade.js';
import { parseVersion } from './version.js';

export interface ServerOptions {
  logger: FastifyBaseLogger;
  handlers: Handlers;
  /** Version of Gantry, for the Server header. */
  engineVersion: string;
  limits?: Partial<Limits>;
}

/** The API, to be served on any number of sockets. `listen.ts` makes the sockets. */
export interface EngineServer {
  app: FastifyInstance;
  /** A server of the same routes for one more socket, not yet listening. */
  createListener(tls?: TlsOptions): Server;
  /** Stops accepting, lets short requests finish, ends streams, and closes what is left after `limits.closeGrace`. */
  close(): Promise<void>;
}

const noCompilers = {
  buildValidator: () => () => () => true,
  buildSerializer: () => () => JSON.stringify,
} as unknown as NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>;

export async function createServer(options: ServerOptions): Promise<EngineServer> {
  const limits = { ...defaultLimits, ...options.limits };
  const closing = new AbortController();
  const websockets = new EventEmitter();
  const listeners = new Set<Server>();
  const connections = new Set<Socket>();
  let route: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;

  const createListener = (tls?: TlsOptions): Server => {
    const settings = {
      IncomingMessage: EngineRequest,
      shouldUpgradeCallback: shouldUpgrade,
      headersTimeout: limits.headerTimeout,
      connectionsCheckingInterval: Math.min(limits.headerTimeout, 5_000),
      // A load or an import takes as long as it takes; idle bodies are given up by watchBody.
      requestTimeout: 0,
      // The end of a client's input must not end its output.
      allowHalfOpen: true,
    };
    const server = tls
      ? createHttpsServer({ ...settings, ...tls }, (request, response) => route(request, response))
      : createHttpServer(settings, (request, response) => route(request, response));
    acceptUpgrades(server, websockets, (request, response) => route(request, response), limits);
    server.on('clientError', answerMalformedRequest);
    server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      connections.add(socket);
      socket.once('close', () => connections.delete(socket));
    });
    listeners.add(server);
    return server;
  };

  const app: FastifyInstance = fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: false,
    rewriteUrl: routingUrl,
    routerOptions: { maxParamLength: 4096 },
    frameworkErrors: (error, _request, reply) =>
      void sendMessage(reply as FastifyReply, error.statusCode ?? 400, error.message),
    // No route has a schema; without this Fastify would load Ajv for none.
    schemaController: { compilersFactory: noCompilers },
    serverFactory: (handler) => {
      route = handler;
      return createHttpServer(() => undefined);
    },
  });
  describeEngine(app, options.engineVersion);
  answerErrors(app);
  leaveBodiesAlone(app);
  await bindRoutes(app, websockets, {
    plans,
    handlers: options.handlers,
    decoder: new Decoder(shapes),
    limits,
    closing: closing.signal,
  });
  await app.ready();

  const close = async (): Promise<void> => {
    const closed = [...listeners].map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const server of listeners) server.closeIdleConnections();
    closing.abort(new Error('gantryd is shutting down'));
    const impatience = setTimeout(() => {
      for (const socket of connections) socket.destroy();
    }, limits.closeGrace);
    await Promise.all(closed);
    clearTimeout(impatience);
    for (const socket of connections) socket.destroy();
    await app.close();
  };
  return { app, createListener, close };
}

function describeEngine(app: FastifyInstance, engineVersion: string): void {
  const headers = engineHeaders(engineVersion);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers);
    parseVersion(requestFacts(request.raw).version);
    request.log.debug({ method: request.method, url: request.originalUrl }, 'request');
  });
}

function answerErrors(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) => {
    const { status, message } = absentEndpoint(request.url);
    return sendMessage(reply, status, message);
  });
  app.setErrorHandler((error, request, reply) => {
    const { status, message, unexpected } = toErrorResponse(error);
    const call = { method: request.method, url: request.originalUrl };
    if (unexpected) request.log.error({ err: error, ...call }, 'request failed');
    else request.log.debug({ message, status, ...call }, 'request refused');
    // What is left of a body nobody reads any more is not worth receiving.
    if (!request.raw.complete) {
      reply.header('connection', 'close');
      lingerAfterAnswer(request.raw);
    }
    return status === 304 ? reply.code(304).send() : sendMessage(reply, status, message);
  });
}

function sendMessage(reply: FastifyReply, status: number, message: string): FastifyReply {
  return sendJson(reply.code(status), { message });
}

/** Bodies are read by `dispatch`, where it is known what they have to be. */
function leaveBodiesAlone(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
}
