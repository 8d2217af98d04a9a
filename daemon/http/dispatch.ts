import { Readable, type Duplex } from 'node:stream';
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { unsupported } from '../errors.js';
import { decodeJson, readBody, watchBody } from './body.js';
import type { Call, ConnectionUse, Handlers, OperationId } from './call.js';
import type { Decoder } from './decode.js';
import { sendJson } from './json-reply.js';
import type { Limits } from './limits.js';
import type { OperationPlan } from './plan.js';
import { decodeQuery } from './query.js';
import { requestFacts } from './request-facts.js';
import { clientSignal } from './signal.js';
import { takenOverConnection } from './upgrade.js';
import { type ApiVersion, parseVersion } from './version.js';

/** One operation with what it takes to serve it. */
export interface Route {
  operation: OperationId;
  plan: OperationPlan;
  handlers: Handlers;
  decoder: Decoder;
  limits: Limits;
  /** Aborted when the server closes. */
  closing: AbortSignal;
}

export type Hijack = (version: ApiVersion, use: ConnectionUse) => Duplex;

/** A handler of any operation: the types tie each to its own where it is written. */
type AnyHandler = (call: Call) => unknown;

/** Serves one request: decodes it, runs the handler of its operation, and sends what that returns. */
export async function dispatch(
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  hijack: Hijack,
): Promise<unknown> {
  try {
    return send(route.plan, reply, await runHandler(route, request, reply, hijack));
  } catch (error) {
    if (!reply.sent) throw error;
    // The response has begun: cutting it off is the only way left to tell the client that it is not complete.
    request.log.warn({ err: error, operation: route.operation }, 'failed after the response had begun');
    (takenOverConnection(request.raw)?.socket ?? reply.raw).destroy();
    return reply;
  }
}

/** Decodes a request and runs the handler of its operation. */
export async function runHandler(
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  hijack: Hijack,
): Promise<unknown> {
  const { operation, plan } = route;
  const handler = route.handlers[operation] as AnyHandler | undefined;
  if (!handler) throw unsupported(`${operation} (${plan.method} ${plan.path}) is not supported by Gantry`);
  const facts = requestFacts(request.raw);
  const version = parseVersion(facts.version);
  const query = decodeQuery(facts.query, plan.query);
  const body = await decodeBody(route, request, facts.contentType);
  // The decoders produce what the generated types say: both come from the same document.
  return handler({
    params: request.params,
    query,
    body,
    headers: request.headers,
    version,
    request,
    reply,
    signal: clientSignal(request, reply, route.closing),
    stream: (contentType: string) => openStream(plan, reply, contentType),
    hijack: (use: ConnectionUse) => hijack(version, use),
  } as unknown as Call);
}

async function decodeBody(route: Route, request: FastifyRequest, contentType: string | undefined): Promise<unknown> {
  const { body } = route.plan;
  if (body.kind === 'none') return undefined;
  if (body.kind === 'stream') {
    watchBody(request.raw, route.limits.idleTimeout);
    return request.raw;
  }
  const bytes = takenOverConnection(request.raw)?.body ?? (await readBody(request.raw, route.limits));
  if (bytes instanceof Error) throw bytes;
  return decodeJson(bytes, contentType, body, route.decoder);
}

function openStream(plan: OperationPlan, reply: FastifyReply, contentType: string): ServerResponse {
  const headers = reply.getHeaders();
  reply.hijack();
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) reply.raw.setHeader(name, value);
  reply.raw.setHeader('content-type', contentType);
  reply.raw.statusCode = plan.status;
  // What the handler writes in the same turn goes out together with the head.
  const { socket } = reply.raw;
  socket?.cork();
  reply.raw.flushHeaders();
  process.nextTick(() => socket?.uncork());
  // A client that leaves is told by call.signal; a write that crosses its leaving must not be an uncaught error.
  reply.raw.on('error', () => undefined);
  return reply.raw;
}

async function send(plan: OperationPlan, reply: FastifyReply, result: unknown): Promise<unknown> {
  if (reply.sent || result === reply) return reply;
  if (reply.statusCode === 200) reply.code(plan.status);
  if (result === undefined) return reply.send();
  if (result instanceof Readable || typeof result === 'string' || Buffer.isBuffer(result)) return reply.send(result);
  return sendJson(reply, result);
}
