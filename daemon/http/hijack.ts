import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { internal } from '../errors.js';
import type { ConnectionUse } from './call.js';
import { formatHead } from './headers.js';
import { takenOverConnection } from './upgrade.js';
import { RAW_STREAM, streamContentType } from './stream-types.js';
import type { ApiVersion } from './version.js';

/**
 * Ends HTTP on the connection of this request and returns it. Clients ask in two ways: with `Connection: Upgrade` and
 * `Upgrade: tcp`, answered by a 101, or without, answered by a 200 whose body has no end but that of the connection. Those of
 * BuildKit always ask for HTTP/2 (`Upgrade: h2c`).
 */
export function hijackConnection(
  request: FastifyRequest,
  reply: FastifyReply,
  version: ApiVersion,
  use: ConnectionUse,
): Socket {
  const connection = takenOverConnection(request.raw);
  if (!connection) throw internal(`${request.method} ${request.url} does not give up its connection`);
  const { socket } = connection;
  const headers = reply.getHeaders();
  reply.hijack();
  reply.raw.detachSocket(socket);
  if ('protocol' in use) {
    const upgraded = { Connection: 'Upgrade', Upgrade: use.protocol, ...headers };
    socket.write(formatHead('HTTP/1.1 101 Switching Protocols', upgraded));
    return socket;
  }
  const upgrade = request.headers.upgrade !== undefined;
  // Without an upgrade Docker names the raw type even for frames: clients of that kind look at the container instead.
  const contentType = upgrade ? streamContentType(version, use.multiplexed) : RAW_STREAM;
  socket.write(
    upgrade
      ? formatHead('HTTP/1.1 101 UPGRADED', {
          'Content-Type': contentType,
          Connection: 'Upgrade',
          Upgrade: 'tcp',
          ...headers,
        })
      : formatHead('HTTP/1.1 200 OK', { 'Content-Type': contentType, ...headers }),
  );
  return socket;
}
