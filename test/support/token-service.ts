import { createPrivateKey, createSign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { CertificateFiles } from './certificates.js';

export interface TokenQuestion {
  method: string;
  scopes: string[];
  account: string;
  isOffline: boolean;
  /** What it was asked with: "anonymous", a user name, or "refresh". */
  by: string;
}

/** How long tokens hold, in seconds. */
const lifetime = 300;

/** A token service for docker-registry. "alice" may do everything; who does not say may pull from what begins with "public/". */
export class TokenService {
  readonly questions: TokenQuestion[] = [];
  #server: Server | undefined;

  constructor(readonly signer: CertificateFiles) {}

  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
    }).listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    this.#server?.close();
    if (this.#server) await once(this.#server, 'close');
  }

  /** The `auth` part of docker-registry's configuration. */
  get auth(): object {
    const { port } = this.#server?.address() as AddressInfo;
    return {
      token: {
        realm: `http://127.0.0.1:${port}/token`,
        service: 'test registry',
        issuer: 'test issuer',
        rootcertbundle: this.signer.certificate,
      },
    };
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body: object }> {
    const url = new URL(request.url ?? '', 'http://localhost');
    const query = request.method === 'POST' ? new URLSearchParams(await text(request)) : url.searchParams;
    const scopes = query.getAll('scope').flatMap((scope) => scope.split(' '));
    const [username, password] = basic(request.headers.authorization);
    const by = query.has('refresh_token') ? 'refresh' : username || 'anonymous';
    this.questions.push({
      method: request.method ?? '',
      scopes,
      account: query.get('account') ?? '',
      isOffline: query.get('offline_token') === 'true',
      by,
    });
    const refused =
      (username !== '' && (username !== 'alice' || password !== 'secret')) ||
      (by === 'refresh' && query.get('refresh_token') !== 'refreshing');
    if (refused) {
      const error = { code: 'UNAUTHORIZED', message: 'incorrect username or password' };
      return { status: 401, body: { errors: [error] } };
    }
    const token = this.#sign(scopes, by !== 'anonymous');
    const refresh = query.get('offline_token') === 'true' && by === 'alice' ? { refresh_token: 'refreshing' } : {};
    return { status: 200, body: { access_token: token, token, expires_in: lifetime, ...refresh } };
  }

  #sign(scopes: readonly string[], isKnown: boolean): string {
    const access = scopes.map((scope) => {
      const [type, name = '', actions = ''] = scope.split(':');
      const allowed = isKnown ? actions.split(',') : name.startsWith('public/') ? ['pull'] : [];
      return { type, name, actions: allowed };
    });
    const now = Math.floor(Date.now() / 1000);
    const certificate = new X509Certificate(readFileSync(this.signer.certificate));
    const header = { typ: 'JWT', alg: 'ES256', x5c: [certificate.raw.toString('base64')] };
    const times = { iat: now, nbf: now - 60, exp: now + lifetime };
    const claims = { iss: 'test issuer', sub: 'test', aud: 'test registry', ...times, access };
    const content = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    const key = createPrivateKey(readFileSync(this.signer.key));
    const signature = createSign('sha256').update(content).sign({ key, dsaEncoding: 'ieee-p1363' });
    return `${content}.${signature.toString('base64url')}`;
  }
}

function basic(header: string | undefined): [string, string] {
  const encoded = /^Basic (.*)$/.exec(header ?? '')?.[1];
  const [username = '', password = ''] = Buffer.from(encoded ?? '', 'base64')
    .toString()
    .split(':');
  return [username, password];
}
