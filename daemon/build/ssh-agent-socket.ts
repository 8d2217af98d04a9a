import { createServer, type Server, type Socket } from 'node:net';
import { pipeline, type Duplex } from 'node:stream';

export interface AgentServer {
  close(): Promise<void>;
}

/** Listens on a unix socket, and leads each connection to the client's ssh agent. */
export async function serveAgent(path: string, connect: () => Promise<Duplex>): Promise<AgentServer> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    connect().then(
      (agent) => {
        pipeline(socket, agent, () => undefined);
        pipeline(agent, socket, () => undefined);
      },
      () => socket.destroy(),
    );
  });
  await listen(server, path);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
