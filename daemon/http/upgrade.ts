import { IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Limits } from './limits.js';
import { readRawBody } from './raw-body.js';
import { splitVersion } from './version.js';

const upgradeHeader = Symbol('upgrade');
const takenOver = Symbol('taken over');

/** A connection that left HTTP with this request, and the body that came before what now belongs to the streams. */
interface TakenOver {
  socket: Socket;
  /** Or why it could not be read. */
  body: Buffer | Error;
}

/**
 * A request that, for the operations that hijack their connection, always counts as an upgrade. Node's parser then stops
 * after the header, so that nothing behind it is taken for another HTTP request: neither the body of an exec start, which
 * Node would skip, nor the stdin that a client sends right behind it, with or without an Upgrade header.
 */
export class EngineRequest extends IncomingMessage {
  declare [upgradeHeader]: boolean | null;
  declare [takenOver]?: TakenOver;

  // Node's parser assigns this property and its server reads it. IncomingMessage does not declare it.
  get upgrade(): boolean | null {
    return hijacks(this) || this[upgradeHeader];
  }

  set upgrade(value: boolean | null) {
    this[upgradeHeader] = value;
  }
}

/** The connection that was taken over with this request, if it was. */
export function takenOverConnection(request: IncomingMessage): TakenOver | undefined {
  return (request as EngineRequest)[takenOver];
}

/** For http.createServer's `shouldUpgradeCallback`: any other upgrade that a client offers is not taken up. */
export function shouldUpgrade(request: IncomingMessage): boolean {
  return hijacks(request) || isWebsocketAttach(request);
}

function hijacks({ method, url = '' }: IncomingMessage): boolean {
  if (method !== 'POST') return false;
  return /^\/(?:containers\/[^?]+\/attach|exec\/[^?]+\/start|session|grpc)(?:\?|$)/.test(splitVersion(url).rest);
}

function isWebsocketAttach({ method, url = '', headers }: IncomingMessage): boolean {
  if (method !== 'GET' || headers.upgrade?.toLowerCase() !== 'websocket') return false;
  return /^\/containers\/[^?]+\/attach\/ws(?:\?|$)/.test(splitVersion(url).rest);
}

/**
 * Passes upgrades on: those of websockets to @fastify/websocket by way of `websockets`, the others to `route`, as requests
 * whose body has been read and whose response is written to the bare connection.
 */
export function acceptUpgrades(
  server: Server,
  websockets: EventEmitter,
  route: (request: IncomingMessage, response: ServerResponse) => void,
  limits: Limits,
): void {
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (!hijacks(request)) {
      websockets.emit('upgrade', request, socket, head);
      return;
    }
    void takeOver(request as EngineRequest, socket, head, limits, route);
  });
}

async function takeOver(
  request: EngineRequest,
  socket: Socket,
  head: Buffer,
  limits: Limits,
  route: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<void> {
  // The server has let go of the socket: an error on it (the client is gone) would otherwise be uncaught.
  socket.on('error', () => socket.destroy());
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => socket.destroySoon());
  const body = await readRawBody(request.headers, socket, head, limits).catch((error: unknown) => error as Error);
  request[takenOver] = { socket, body };
  route(request, response);
}
