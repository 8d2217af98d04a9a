import type { Readable } from 'node:stream';
import { request as send, type Dispatcher } from 'undici';
import { GantryError } from '../../errors.js';
import type { Connections } from './connections.js';
import { asNetworkError } from './network-error.js';

export type Headers = Readonly<Record<string, string>>;
export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Outgoing {
  method: Method;
  url: URL;
  headers?: Headers;
  /** Made anew for each try, because a stream can be read only once. */
  body?: () => string | Uint8Array | Readable;
  signal: AbortSignal;
}

/** An answer whose body has to be read or dropped. */
export interface Incoming {
  method: Method;
  /** Where the answer came from, after redirections. */
  url: URL;
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Dispatcher.ResponseData['body'];
}

const redirections = new Set([301, 302, 303, 307, 308]);
const maxRedirections = 10;

/** Sends requests, follows redirections, and puts failures in words. Knows nothing of registries. */
export class Transport {
  constructor(
    readonly connections: Connections,
    readonly userAgent: string,
  ) {}

  /**
   * Headers of authorization are not sent on to another host.
   *
   * @throws GantryError remote, when there is no answer
   */
  async send(outgoing: Outgoing): Promise<Incoming> {
    let { url, headers = {} } = outgoing;
    for (let hops = 0; ; hops++) {
      const answer = await this.#sendOnce({ ...outgoing, url, headers });
      const location = answer.headers['location'];
      const follows = redirections.has(answer.status) && (outgoing.method === 'GET' || outgoing.method === 'HEAD');
      if (!follows || typeof location !== 'string') return answer;
      await drop(answer);
      if (hops >= maxRedirections) throw redirectionError(outgoing, `stopped after ${maxRedirections} redirects`);
      const next = await this.#redirection(outgoing, url, location);
      if (next.origin !== url.origin) headers = withoutCredentials(headers);
      url = next;
    }
  }

  async #sendOnce({ method, url, headers, body, signal }: Outgoing): Promise<Incoming> {
    try {
      const dispatcher = await this.connections.dispatcher(url);
      signal.throwIfAborted();
      const response = await send(url, {
        dispatcher,
        method,
        headers: { 'user-agent': this.userAgent, ...headers },
        signal,
        headersTimeout: this.#patience(method),
        ...(body ? { body: body() } : {}),
      });
      return { method, url, status: response.statusCode, headers: response.headers, body: response.body };
    } catch (error) {
      signal.throwIfAborted();
      throw asNetworkError(method, url, error);
    }
  }

  #patience(method: Method): number {
    const { silence, storing } = this.connections.timings;
    return method === 'GET' || method === 'HEAD' ? silence : storing;
  }

  async #redirection(outgoing: Outgoing, from: URL, location: string): Promise<URL> {
    if (!URL.canParse(location, from.href)) throw redirectionError(outgoing, `redirected to an invalid URL`);
    const next = new URL(location, from);
    if (next.protocol !== 'https:' && next.protocol !== 'http:') {
      throw redirectionError(outgoing, `redirected to unsupported protocol scheme "${next.protocol.slice(0, -1)}"`);
    }
    if (from.protocol === 'https:' && !(await this.connections.allowsPlain(next))) {
      throw redirectionError(outgoing, `redirected from HTTPS to HTTP at ${next.host}, which is no insecure registry`);
    }
    return next;
  }
}

/** Lets the connection go back to those that can be used again. */
export async function drop(answer: Incoming): Promise<void> {
  await answer.body.dump({ limit: 64 * 1024 }).catch(() => undefined);
}

/** The whole body, unless it is larger than `limit`. @throws GantryError remote, from `tooLarge`, or of the network */
export async function readAll(answer: Incoming, limit: number, tooLarge: () => Error): Promise<Buffer> {
  if (Number(answer.headers['content-length'] ?? 0) > limit) {
    answer.body.destroy();
    throw tooLarge();
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > limit) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    throw asNetworkError(answer.method, answer.url, error);
  }
  return Buffer.concat(chunks);
}

function withoutCredentials(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'));
}

function redirectionError({ method, url }: Outgoing, reason: string): Error {
  const verb = method.slice(0, 1) + method.slice(1).toLowerCase();
  return new GantryError('remote', `${verb} "${url.href}": ${reason}`);
}
