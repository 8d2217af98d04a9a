import type { Duplex } from 'node:stream';
import { conflict, invalid, notFound } from '../../errors.js';
import { AwaitedMap } from './awaited-map.js';
import { RpcClient } from './rpc-client.js';

/** What a client that is building says about its end of the connection. */
export interface SessionOffer {
  id: string;
  /** The same for the same directory of the same client: what is kept of an earlier transfer is found by it. */
  sharedKey: string;
  /** "/moby.filesync.v1.FileSync/DiffCopy" */
  methods: readonly string[];
}

/** A connection over which the daemon asks the client for files, credentials, secrets and agents. */
export class ClientSession {
  readonly rpc: RpcClient;
  readonly #methods: ReadonlySet<string>;

  constructor(
    readonly offer: SessionOffer,
    connection: Duplex,
  ) {
    this.rpc = new RpcClient(connection);
    this.#methods = new Set(offer.methods);
  }

  supports({ path }: { path: string }): boolean {
    return this.#methods.has(path);
  }
}

/** The sessions of the clients that are building. A request that belongs to one may come before it. */
export class Sessions {
  readonly #sessions: AwaitedMap<ClientSession>;

  constructor(patienceMilliseconds?: number) {
    this.#sessions = new AwaitedMap(patienceMilliseconds);
  }

  /** @throws GantryError before anything is read of the connection */
  add(offer: SessionOffer, connection: () => Duplex): ClientSession {
    if (!/^[\w.:-]{1,128}$/.test(offer.id)) throw invalid(`invalid session id "${offer.id.slice(0, 128)}"`);
    if (this.#sessions.peek(offer.id)) throw conflict(`session ${offer.id} exists already`);
    const session = new ClientSession(offer, connection());
    this.#sessions.set(offer.id, session);
    session.rpc.closed.addEventListener('abort', () => this.#sessions.delete(offer.id), { once: true });
    return session;
  }

  /** Waits for it a while. */
  async get(id: string, signal: AbortSignal): Promise<ClientSession> {
    if (id === '') throw invalid('this build has no session: files of the client cannot be read');
    const session = await this.#sessions.get(id, signal);
    if (!session) throw notFound(`no active session for ${id}: it may have ended`);
    return session;
  }
}
