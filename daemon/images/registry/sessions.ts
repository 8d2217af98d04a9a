import { GantryError } from '../../errors.js';
import { Authorization } from './authorization.js';
import type { Connections } from './connections.js';
import type { Credentials } from './credentials.js';
import { anonymous } from './credentials.js';
import { pullEndpoints, pushEndpoints, splitRepository, type Endpoint } from './endpoints.js';
import { RepositorySession } from './session.js';
import type { Transport } from './transport.js';

/** Opens sessions with whichever endpoint of a registry answers. */
export class Sessions {
  constructor(
    readonly transport: Transport,
    readonly connections: Connections,
  ) {}

  /**
   * Runs `work` with the first endpoint that can do it. A mirror that cannot is passed over, whatever the reason; another
   * endpoint only if it does not answer at all.
   *
   * @param repository complete, "docker.io/library/busybox"
   * @throws GantryError of the last endpoint that was tried
   */
  async pull<Result>(
    repository: string,
    credentials: Credentials,
    signal: AbortSignal,
    work: (session: RepositorySession) => Promise<Result>,
  ): Promise<Result> {
    const { registry, path } = splitRepository(repository);
    const endpoints = await pullEndpoints(registry, this.connections.settings());
    let failure: unknown;
    for (const endpoint of endpoints) {
      // A mirror has users of its own: those of Docker Hub are not shown to it.
      const session = this.#open(endpoint, path, endpoint.mirror ? anonymous : credentials, 'pull', signal);
      const isReached = await session.ping().then(
        () => true,
        (error: unknown) => {
          failure = error;
          return false;
        },
      );
      signal.throwIfAborted();
      if (!isReached) continue;
      try {
        return await work(session);
      } catch (error) {
        if (!endpoint.mirror || signal.aborted) throw error;
        failure = error;
      }
    }
    throw (failure as Error | undefined) ?? new GantryError('remote', `no endpoint for ${registry}`);
  }

  /** A session for pushing, with an endpoint that answers. @throws GantryError */
  async push(repository: string, credentials: Credentials, signal: AbortSignal): Promise<RepositorySession> {
    const { registry, path } = splitRepository(repository);
    let failure: unknown;
    for (const endpoint of await pushEndpoints(registry, this.connections.settings())) {
      const session = this.#open(endpoint, path, credentials, 'pull,push', signal);
      try {
        await session.ping();
        return session;
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw (failure as Error | undefined) ?? new GantryError('remote', `no endpoint for ${registry}`);
  }

  #open(
    endpoint: Endpoint,
    path: string,
    credentials: Credentials,
    actions: 'pull' | 'pull,push',
    signal: AbortSignal,
  ): RepositorySession {
    const { origin } = endpoint;
    const authorization = new Authorization(this.transport, new URL(origin), credentials);
    const { maxAttempts } = this.connections.settings();
    const { timings } = this.connections;
    return new RepositorySession(this.transport, authorization, origin, path, actions, maxAttempts, timings, signal);
  }
}
