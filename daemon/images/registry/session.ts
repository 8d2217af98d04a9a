import { setTimeout as delay } from 'node:timers/promises';
import { GantryError } from '../../errors.js';
import { parseChallenges } from './challenge.js';
import type { Authorization } from './authorization.js';
import { isBrokenConnection } from './network-error.js';
import { registryErrorOf } from './registry-error.js';
import type { Timings } from './settings.js';
import { drop, type Headers, type Incoming, type Method, type Outgoing, type Transport } from './transport.js';

export interface SessionRequest {
  method: Method;
  /** "blobs/sha256:…" within the repository, or the whole URL that the registry gave. */
  target: string | URL;
  headers?: Headers;
  body?: Outgoing['body'];
  /** Repositories besides its own that the request reads from. */
  alsoPulls?: readonly string[];
  /** The caller itself goes on after a broken connection. */
  resumes?: boolean;
  /** Does no harm when it is done twice; what only reads never does. */
  repeatable?: boolean;
  /** Statuses that are an answer rather than an error. */
  accept: readonly number[];
}

/** Worth another try: the registry is there, but not able right now. */
const passing = new Set([429, 502, 503, 504]);

/** One operation's dealings with one repository at one registry: who asks, what for, and what may be tried again. */
export class RepositorySession {
  constructor(
    readonly transport: Transport,
    readonly authorization: Authorization,
    readonly origin: string,
    /** "library/busybox" */
    readonly path: string,
    readonly actions: 'pull' | 'pull,push',
    readonly attempts: number,
    readonly timings: Timings,
    readonly signal: AbortSignal,
  ) {}

  /**
   * Finds out whether a registry is there, and what it asks for.
   *
   * @throws GantryError remote
   */
  async ping(): Promise<void> {
    const url = new URL('/v2/', this.origin);
    const answer = await this.transport.send({ method: 'GET', url, signal: this.signal });
    this.authorization.learn(parseChallenges(answer.headers['www-authenticate']));
    if (answer.status !== 200 && answer.status !== 401 && answer.status !== 403) throw await registryErrorOf(answer);
    await drop(answer);
  }

  /**
   * Sends a request with authorization. What can be repeated is tried again when the registry fails for a moment.
   *
   * @throws GantryError, RegistryError
   */
  async send(request: SessionRequest, signal = this.signal): Promise<Incoming> {
    const isRepeatable = request.repeatable ?? isRead(request.method);
    for (let failures = 1; ; failures++) {
      const mayTryAgain = isRepeatable && failures < this.attempts;
      const answer = await this.#sendAuthorized(request, signal).catch((error: unknown) => {
        if (mayTryAgain && !request.resumes && isBrokenConnection(error)) return undefined;
        throw error;
      });
      if (!answer) {
        await delay(this.timings.backOff(failures), undefined, { signal });
        continue;
      }
      if (request.accept.includes(answer.status)) return answer;
      const pause = mayTryAgain ? this.#pauseBefore(answer, failures) : undefined;
      if (pause === undefined) throw await registryErrorOf(answer);
      await drop(answer);
      await delay(pause, undefined, { signal });
    }
  }

  /** The URL of a path in the repository, or of a location that the registry gave. */
  url(target: string | URL): URL {
    return target instanceof URL ? target : new URL(`/v2/${this.path}/${target}`, this.origin);
  }

  /** A `Location` header, relative to where it came from. A registry behind a proxy may not know that it is reached by TLS. */
  location(answer: Incoming): URL {
    const { location } = answer.headers;
    if (typeof location !== 'string' || !URL.canParse(location, answer.url.href)) {
      throw new GantryError('remote', `${answer.url.host} gave no usable Location`);
    }
    const url = new URL(location, answer.url);
    if (url.protocol !== 'https:' && url.protocol !== 'http:') {
      throw new GantryError('remote', `${answer.url.host} gave no usable Location`);
    }
    if (url.host === answer.url.host) url.protocol = answer.url.protocol;
    return url;
  }

  async #sendAuthorized(request: SessionRequest, signal: AbortSignal): Promise<Incoming> {
    const url = this.url(request.target);
    if (this.origin.startsWith('https:') && !(await this.transport.connections.allowsPlain(url))) {
      throw new GantryError('remote', `${this.origin} asks for an upload to ${url.origin}, which has no TLS`);
    }
    const answer = await this.#sendOnce(request, url, signal);
    if (answer.status !== 401 || url.origin !== this.origin) return answer;
    const challenges = parseChallenges(answer.headers['www-authenticate']);
    if (challenges.length === 0) return answer;
    const wasAuthorized = this.authorization.isNeeded;
    this.authorization.learn(challenges);
    // With a password there is nothing else to say; a token may have expired.
    if (wasAuthorized && !challenges.some(({ scheme }) => scheme === 'bearer')) return answer;
    await drop(answer);
    this.authorization.forget();
    return this.#sendOnce(request, url, signal);
  }

  async #sendOnce(request: SessionRequest, url: URL, signal: AbortSignal): Promise<Incoming> {
    const { method, headers = {}, body } = request;
    // Other hosts, to which uploads may be directed, are not told who asks.
    const authorization = url.origin === this.origin ? await this.#authorize(request, url, signal) : undefined;
    return this.transport.send({
      method,
      url,
      signal,
      headers: { ...headers, ...(authorization ? { authorization } : {}) },
      ...(body ? { body } : {}),
    });
  }

  async #authorize(request: SessionRequest, url: URL, signal: AbortSignal): Promise<string | undefined> {
    const others = (request.alsoPulls ?? []).map((path) => `repository:${path}:pull`);
    try {
      return await this.authorization.header([`repository:${this.path}:${this.actions}`, ...others], signal);
    } catch (error) {
      // Docker's users know these words, with the request for a pull and without it for a push.
      if (error instanceof GantryError && error.message === 'no basic auth credentials' && this.actions === 'pull') {
        const verb = request.method.slice(0, 1) + request.method.slice(1).toLowerCase();
        throw new GantryError(error.kind, `${verb} "${url.href}": ${error.message}`);
      }
      throw error;
    }
  }

  /** How long to wait, or nothing when it is no use. A limit that the registry puts no end to is not waited for. */
  #pauseBefore({ status, headers }: Incoming, failures: number): number | undefined {
    if (!passing.has(status)) return undefined;
    const asked = retryAfter(headers['retry-after']);
    if (asked !== undefined) return asked <= this.timings.longestRetryAfter ? asked : undefined;
    return status === 429 ? undefined : this.timings.backOff(failures);
  }
}

const isRead = (method: Method): boolean => method === 'GET' || method === 'HEAD';

/** Milliseconds, from seconds or a date. */
export function retryAfter(value: string | string[] | undefined): number | undefined {
  if (typeof value !== 'string') return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(date - Date.now(), 0);
}
