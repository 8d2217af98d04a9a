import type { Duplex, Writable } from 'node:stream';
import { anonymous, type Credentials } from '../../images/registry/credentials.js';
import type { Secrets, SshAgents } from '../build-request.js';
import { agentService, authService, secretsService, uploadService } from './protocol.js';
import { RpcDuplex } from './rpc-duplex.js';
import { code, RpcError } from './rpc-error.js';
import type { CallMetadata, Method, RpcCall, RpcClient } from './rpc-client.js';
import type { ClientSession } from './sessions.js';

/** Credentials, secrets and agents stay with the client until something needs them. */

/** Under this name clients store what belongs to Docker Hub. */
const hub = 'registry-1.docker.io';

/** Who the client is to a registry. */
export async function clientCredentials(
  session: ClientSession,
  registry: string,
  signal: AbortSignal,
): Promise<Credentials> {
  if (!session.supports(authService.Credentials)) return anonymous;
  const host = registry === 'docker.io' ? hub : registry;
  const { username, secret } = await session.rpc.unary(authService.Credentials, { host }, { signal });
  return username === '' ? { ...anonymous, identityToken: secret } : { ...anonymous, username, password: secret };
}

export function clientSecrets(session: ClientSession): Secrets {
  return {
    async get(id, signal) {
      if (!session.supports(secretsService.GetSecret)) return undefined;
      try {
        const { data } = await session.rpc.unary(secretsService.GetSecret, { id }, { signal });
        return data;
      } catch (error) {
        if (error instanceof RpcError && error.code === code.notFound) return undefined;
        throw error;
      }
    },
  };
}

export function clientAgents(session: ClientSession): SshAgents {
  return {
    async has(id, signal) {
      if (!session.supports(agentService.CheckAgent)) return false;
      try {
        await session.rpc.unary(agentService.CheckAgent, { id }, { signal });
        return true;
      } catch (error) {
        signal.throwIfAborted();
        // Whatever the client has against it: there is no such agent.
        if (error instanceof RpcError && error.code !== code.unavailable) return false;
        throw error;
      }
    },
    connect: (id) => Promise.resolve(openBytes(session.rpc, agentService.ForwardAgent, { 'buildkit.ssh.id': id })),
  };
}

/** What the client sends as a build context from its standard input. @param path as in the URL that it gave */
export function clientUpload(session: ClientSession, path: string): Duplex {
  const stream = openBytes(session.rpc, uploadService.Pull, { urlpath: path });
  stream.end();
  return stream;
}

type BytesMethod = Method<{ data?: Buffer }, { data: Buffer }>;

/** A call that carries bytes in both directions, as a stream. */
function openBytes(rpc: RpcClient, method: BytesMethod, metadata: CallMetadata): Duplex {
  return duplexOver(rpc, method, metadata, () => Promise.resolve());
}

/** A call that takes bytes to the client, as a stream: it is finished when the client has them all, and says so. */
export function openOutput(rpc: RpcClient, method: BytesMethod, metadata: CallMetadata): Writable {
  return duplexOver(rpc, method, metadata, ({ finished }) => finished).resume();
}

function duplexOver(
  rpc: RpcClient,
  method: BytesMethod,
  metadata: CallMetadata,
  whenEnded: (call: RpcCall) => Promise<void>,
): Duplex {
  const duplex = new RpcDuplex();
  const call = rpc.open(method, { metadata }, (message) => duplex.receive(method.responseDeserialize(message).data));
  call.finished.then(
    () => duplex.receiveEnd(),
    (error: Error) => duplex.destroy(error),
  );
  // A client may go when nobody reads or writes just now: who does so next is told.
  duplex.on('error', () => undefined);
  return duplex.attach({
    send: (data) => call.send(method.requestSerialize({ data })),
    drained: () => call.drained(),
    end: () => {
      call.end();
      return whenEnded(call);
    },
    cancel: (reason) => call.cancel(reason),
    pause: () => call.pause(),
    resume: () => call.resume(),
  });
}
