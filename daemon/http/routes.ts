import type { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import websocketPlugin, { type WebSocket } from '@fastify/websocket';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Handlers, OperationId } from './call.js';
import { dispatch, type Route, runHandler } from './dispatch.js';
import { hijackConnection } from './hijack.js';
import { sendJson } from './json-reply.js';
import type { OperationPlan } from './plan.js';
import { WebSocketStream } from './websocket.js';

/** Input frames are keystrokes and pipes cut in pieces; a larger one is refused instead of being put together in memory. */
const MAXIMUM_FRAME = 8 * 1024 * 1024;

export interface RoutesOptions extends Omit<Route, 'operation' | 'plan'> {
  plans: Record<OperationId, OperationPlan>;
  handlers: Handlers;
}

/** Binds every operation of the API document, by its method and path. */
export async function bindRoutes(
  app: FastifyInstance,
  websockets: EventEmitter,
  options: RoutesOptions,
): Promise<void> {
  await app.register(websocketPlugin, {
    // The plugin only listens for upgrades, which come from several servers here.
    options: { server: websockets as Server, maxPayload: MAXIMUM_FRAME },
  });
  const { plans, ...shared } = options;
  for (const operation of Object.keys(plans) as OperationId[]) {
    const route: Route = { ...shared, operation, plan: plans[operation] };
    if (operation === 'ContainerAttachWebsocket') bindWebsocket(app, route);
    else bindOperation(app, route);
  }
}

function fastifyPath(plan: OperationPlan): string {
  return plan.path.replace(/\{(\w+)\}/g, ':$1');
}

function bindOperation(app: FastifyInstance, route: Route): void {
  app.route({
    method: route.plan.method,
    url: fastifyPath(route.plan),
    handler: (request, reply) =>
      dispatch(route, request, reply, (version, use) => hijackConnection(request, reply, version, use)),
  });
}

/**
 * A websocket's handler runs before the handshake, so that a refusal is an ordinary response. The stream that it is given
 * comes to life when the handshake is done.
 */
function bindWebsocket(app: FastifyInstance, route: Route): void {
  const streams = new WeakMap<FastifyRequest['raw'], WebSocketStream>();
  app.route({
    method: 'GET',
    url: fastifyPath(route.plan),
    preHandler: async (request, reply) => {
      if (!request.ws) return;
      await new Promise<void>((resolve, reject) => {
        const hijack = (): WebSocketStream => {
          const stream = new WebSocketStream();
          streams.set(request.raw, stream);
          resolve();
          return stream;
        };
        runHandler(route, request, reply, hijack).then(
          () => resolve(),
          (error: unknown) => {
            const stream = streams.get(request.raw);
            if (!stream) {
              reject(error);
              return;
            }
            request.log.error({ err: error }, 'websocket failed');
            stream.destroy();
          },
        );
      });
    },
    handler: (_request, reply) => sendJson(reply.code(400), { message: 'expected a websocket upgrade' }),
    wsHandler: (socket: WebSocket, request: FastifyRequest) => {
      const stream = streams.get(request.raw);
      if (stream) stream.attach(socket);
      else socket.close();
    },
  });
}
