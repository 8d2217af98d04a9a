import { duplexPair, type Duplex } from 'node:stream';
import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import {
  dataPacket,
  decodePacket,
  fileMode,
  finPacket,
  lastStatPacket,
  packetType,
  statPacket,
  type FileStat,
} from '../../daemon/build/buildkit/packets.js';
import { fileSyncService } from '../../daemon/build/buildkit/protocol.js';
import { RpcServer } from '../../daemon/build/buildkit/rpc-server.js';
import { ClientSession } from '../../daemon/build/buildkit/sessions.js';

/** A file as a client describes it; what is not said is that of an ordinary file. */
export interface ClientFile extends Partial<FileStat> {
  path: string;
  content?: string;
}

export const directory = (path: string, more: Partial<FileStat> = {}): ClientFile => ({
  path,
  mode: fileMode.directory | 0o755,
  ...more,
});
export const symbolicLink = (path: string, link: string): ClientFile => ({
  path,
  link,
  mode: fileMode.symbolicLink | 0o777,
});
export const file = (path: string, content: string, more: Partial<FileStat> = {}): ClientFile => ({
  path,
  content,
  ...more,
});

/** What a client of BuildKit does at its end of a session. */
export class BuildKitClient {
  readonly #server = new RpcServer();
  readonly #connections: Duplex[] = [];
  readonly #methods: string[] = [];
  /** Paths whose content the daemon has asked for, since this was last emptied. */
  requested: string[] = [];
  /** Headers of the transfers that it has asked for; node:http2 puts several of a name together. */
  transfers: Record<string, string>[] = [];

  /** @param files what it has; read again by each transfer */
  constructor(public files: ClientFile[]) {
    // The messages are taken apart by the code under test's counterpart here, so they pass as they are.
    const raw = { requestDeserialize: (bytes: Buffer) => bytes, responseSerialize: (bytes: Buffer) => bytes };
    const definition = { DiffCopy: { ...fileSyncService.DiffCopy, ...raw } } as unknown as ServiceDefinition;
    this.add(definition, { DiffCopy: (call: ServerDuplexStream<Buffer, Buffer>) => this.#send(call) });
  }

  add(service: ServiceDefinition, implementation: UntypedServiceImplementation): this {
    this.#server.add(service, implementation);
    this.#methods.push(...Object.values(service).map(({ path }) => path));
    return this;
  }

  /** What it offers, by name. */
  get methods(): readonly string[] {
    return this.#methods;
  }

  /** Serves a connection that it has made itself. */
  serve(connection: Duplex): void {
    this.#connections.push(connection);
    this.#server.serve(connection);
  }

  session(id = 'session', sharedKey = 'directory:key'): ClientSession {
    const [daemonEnd, clientEnd] = duplexPair();
    this.#connections.push(daemonEnd, clientEnd);
    this.#server.serve(clientEnd);
    return new ClientSession({ id, sharedKey, methods: this.#methods }, daemonEnd);
  }

  close(): void {
    for (const connection of this.#connections) connection.destroy();
    this.#server.close();
  }

  #send(call: ServerDuplexStream<Buffer, Buffer>): void {
    this.transfers.push(call.metadata.getMap() as Record<string, string>);
    for (const { content = '', ...stat } of this.files) call.write(statPacket(statOf(stat, content)));
    call.write(lastStatPacket);
    call.on('data', (message: Buffer) => {
      const packet = decodePacket(message);
      if (packet.type === packetType.request) {
        const { path, content = '' } = this.files[packet.id]!;
        this.requested.push(path);
        for (let offset = 0; offset < content.length; offset += 32 * 1024) {
          call.write(dataPacket(packet.id, Buffer.from(content.slice(offset, offset + 32 * 1024))));
        }
        call.write(dataPacket(packet.id, Buffer.alloc(0)));
      } else if (packet.type === packetType.fin) {
        call.write(finPacket);
      }
    });
    call.on('end', () => call.end());
    call.on('error', () => undefined);
  }
}

function statOf(stat: ClientFile, content: string): FileStat {
  const usual = { mode: 0o644, uid: 0, gid: 0, seconds: 1, nanoseconds: 0, link: '', deviceMajor: 0, deviceMinor: 0 };
  const all = { ...usual, size: Buffer.byteLength(content), ...stat };
  // Operators on bits give signed numbers.
  return { ...all, mode: all.mode >>> 0 };
}
