import { request } from 'node:http';
import type { Duplex } from 'node:stream';

/** A connection to an engine's socket that has left HTTP/1.1, as clients of BuildKit make them. */
export function upgradedConnection(
  socketPath: string,
  path: string,
  headers: Record<string, string | string[]> = {},
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const upgrade = { Connection: 'Upgrade', Upgrade: 'h2c', ...headers };
    request({ socketPath, path, method: 'POST', headers: upgrade })
      .on('upgrade', (_response, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      })
      .on('response', (response) => reject(new Error(`${path}: no upgrade but status ${response.statusCode}`)))
      .on('error', reject)
      .end();
  });
}
