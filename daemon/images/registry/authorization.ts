import { GantryError } from '../../errors.js';
import type { Challenge } from './challenge.js';
import type { Credentials } from './credentials.js';
import { basicAuthorization, fetchToken, type Token } from './tokens.js';
import type { Transport } from './transport.js';

/** A token is taken for used up this long before it is. */
const margin = 10_000;

/** Answers the challenges of one registry for one user. */
export class Authorization {
  #challenges: readonly Challenge[] = [];
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(
    readonly transport: Transport,
    readonly registry: URL,
    readonly credentials: Credentials,
    readonly offline = false,
  ) {}

  /** What the registry asks for from now on. */
  learn(challenges: readonly Challenge[]): void {
    if (challenges.length > 0) this.#challenges = challenges;
  }

  /** Whether there is anything to answer a challenge with. */
  get isNeeded(): boolean {
    return this.#challenges.length > 0;
  }

  /**
   * The `Authorization` header for a request that touches `scopes`, or nothing where the registry asks for none.
   *
   * @throws GantryError when the registry wants to know who asks and nobody has said, or the token service refuses
   */
  async header(scopes: readonly string[], signal: AbortSignal): Promise<string | undefined> {
    const { username, password, registryToken } = this.credentials;
    if (this.#challenges.length === 0) return undefined;
    if (registryToken) return `Bearer ${registryToken}`;
    const bearer = this.#challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer) return `Bearer ${(await this.#token(bearer, scopes, signal)).value}`;
    if (!this.#challenges.some(({ scheme }) => scheme === 'basic')) {
      const schemes = this.#challenges.map(({ scheme }) => scheme).join(', ');
      throw new GantryError(
        'remote',
        `${this.registry.host} asks for an authentication that is not supported: ${schemes}`,
      );
    }
    if (!username) throw new GantryError('remote', 'no basic auth credentials');
    return basicAuthorization(username, password);
  }

  /** The refresh token that came with the last token for `scopes`. */
  async refreshToken(scopes: readonly string[]): Promise<string> {
    return (await this.#tokens.get(scopes.join(' ')))?.refreshToken ?? '';
  }

  /** The registry did not accept what it was given. */
  forget(): void {
    this.#tokens.clear();
  }

  async #token(challenge: Challenge, scopes: readonly string[], signal: AbortSignal): Promise<Token> {
    const key = scopes.join(' ');
    const known = this.#tokens.get(key);
    const token = await known?.catch(() => undefined);
    if (token && token.expires - margin > Date.now()) return token;
    const { transport, registry, credentials, offline } = this;
    const fresh = fetchToken(transport, challenge, { scopes, credentials, offline, registry, signal });
    this.#tokens.set(key, fresh);
    return fresh;
  }
}
