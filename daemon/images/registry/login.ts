import { STATUS_CODES } from 'node:http';
import { GantryError } from '../../errors.js';
import { Authorization } from './authorization.js';
import { parseChallenges } from './challenge.js';
import type { Connections } from './connections.js';
import type { Credentials } from './credentials.js';
import { hubRegistry, pushEndpoints } from './endpoints.js';
import { RegistryError, registryErrorOf } from './registry-error.js';
import { drop, type Incoming, type Transport } from './transport.js';

/** Docker's AuthResponse. */
export interface LoginResult {
  Status: string;
  /** What the registry gave to be used in the place of the password; "" when it gave nothing. */
  IdentityToken: string;
}

/** Checks names and passwords by asking the registry. */
export class Login {
  constructor(
    readonly transport: Transport,
    readonly connections: Connections,
  ) {}

  /**
   * @param server as `docker login` was given it; "" for Docker Hub
   * @throws GantryError unauthorized, when the registry does not accept the credentials
   */
  async check(server: string, credentials: Credentials, signal: AbortSignal): Promise<LoginResult> {
    let failure: unknown;
    for (const { origin } of await pushEndpoints(registryOf(server), this.connections.settings())) {
      try {
        return await this.#checkAt(new URL('/v2/', origin), credentials, signal);
      } catch (error) {
        signal.throwIfAborted();
        // Whoever answered has decided.
        if (error instanceof RegistryError || (error as GantryError).kind === 'unauthorized') throw error;
        failure = error;
      }
    }
    throw (failure as Error | undefined) ?? new GantryError('remote', `no endpoint for ${server}`);
  }

  async #checkAt(url: URL, credentials: Credentials, signal: AbortSignal): Promise<LoginResult> {
    const authorization = new Authorization(this.transport, url, credentials, true);
    const first = await this.transport.send({ method: 'GET', url, signal });
    authorization.learn(parseChallenges(first.headers['www-authenticate']));
    const header = await authorization.header([], signal).finally(() => drop(first));
    const answer = header
      ? await this.transport.send({ method: 'GET', url, headers: { authorization: header }, signal })
      : first;
    if (answer.status !== 200) await refuse(answer);
    await drop(answer);
    const refreshToken = await authorization.refreshToken([]);
    return { Status: 'Login Succeeded', IdentityToken: refreshToken };
  }
}

async function refuse(answer: Incoming): Promise<never> {
  const { status, url } = answer;
  if (status !== 401 && status !== 403) throw await registryErrorOf(answer);
  await drop(answer);
  throw new GantryError(
    'unauthorized',
    `login attempt to ${url.href} failed with status: ${status} ${STATUS_CODES[status]}`,
  );
}

/** The registry that a user means by an address: "https://registry.example/v2/" is "registry.example". */
export function registryOf(server: string): string {
  const host = server.replace(/^https?:\/\//i, '').split('/')[0] ?? '';
  if (host === '' || host === 'index.docker.io' || host === hubRegistry || host === 'registry-1.docker.io') {
    return hubRegistry;
  }
  if (!URL.canParse(`https://${host}`)) throw new GantryError('invalid', `invalid registry address: ${server}`);
  return host;
}
