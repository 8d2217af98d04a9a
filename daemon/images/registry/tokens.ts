import { GantryError } from '../../errors.js';
import { isObject } from '../json-document.js';
import type { Challenge } from './challenge.js';
import type { Credentials } from './credentials.js';
import { registryErrorOf } from './registry-error.js';
import { readAll, type Outgoing, type Transport } from './transport.js';

export interface Token {
  value: string;
  /** Milliseconds since the epoch. */
  expires: number;
  /** For use in the place of the password from now on; "" when none was given. */
  refreshToken: string;
}

export interface TokenRequest {
  /** "repository:library/busybox:pull"; none at all to log in. */
  scopes: readonly string[];
  credentials: Credentials;
  /** Ask for a refresh token, as login does. */
  offline?: boolean;
  /** Where the challenge came from: credentials do not go from TLS to plain HTTP. */
  registry: URL;
  signal: AbortSignal;
}

const clientId = 'gantry';
const maxAnswerBytes = 1024 * 1024;
/** What the token specification says holds where the answer does not say. */
const defaultLifetime = 60;

/**
 * Gets a token from the service that a bearer challenge names: with a refresh token by OAuth 2, else by GET with the user's
 * name and password, or anonymously.
 *
 * @throws GantryError unauthorized and others, in the words of the service
 */
export async function fetchToken(transport: Transport, challenge: Challenge, request: TokenRequest): Promise<Token> {
  const realm = await realmOf(transport, challenge, request);
  const outgoing = request.credentials.identityToken
    ? byRefreshToken(realm, challenge, request)
    : byPassword(realm, challenge, request);
  const answer = await transport.send({ ...outgoing, signal: request.signal });
  if (answer.status !== 200) throw await registryErrorOf(answer);
  const body = await readAll(answer, maxAnswerBytes, () => malformed(realm, 'it is too large'));
  return readToken(body, realm);
}

/** The value of an `Authorization` header. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

async function realmOf(transport: Transport, challenge: Challenge, { registry }: TokenRequest): Promise<URL> {
  const { realm = '' } = challenge.parameters;
  if (!realm) throw new GantryError('remote', 'no realm specified for token auth challenge');
  if (!/^https?:\/\//i.test(realm) || !URL.canParse(realm)) {
    throw new GantryError('remote', `invalid token auth challenge realm: ${JSON.stringify(realm.slice(0, 200))}`);
  }
  const url = new URL(realm);
  if (registry.protocol === 'https:' && !(await transport.connections.allowsPlain(url))) {
    throw new GantryError('remote', `the registry ${registry.host} asks to log in at ${url.origin}, which has no TLS`);
  }
  return url;
}

function byPassword(realm: URL, { parameters }: Challenge, request: TokenRequest): Omit<Outgoing, 'signal'> {
  const { username, password } = request.credentials;
  const url = new URL(realm);
  if (parameters['service']) url.searchParams.append('service', parameters['service']);
  for (const scope of request.scopes) url.searchParams.append('scope', scope);
  if (request.offline) {
    url.searchParams.append('offline_token', 'true');
    url.searchParams.append('client_id', clientId);
  }
  if (!username) return { method: 'GET', url };
  url.searchParams.append('account', username);
  return { method: 'GET', url, headers: { authorization: basicAuthorization(username, password) } };
}

function byRefreshToken(realm: URL, { parameters }: Challenge, request: TokenRequest): Omit<Outgoing, 'signal'> {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: request.credentials.identityToken,
    service: parameters['service'] ?? '',
    client_id: clientId,
    ...(request.scopes.length > 0 ? { scope: request.scopes.join(' ') } : {}),
  });
  return {
    method: 'POST',
    url: realm,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: () => form.toString(),
  };
}

function readToken(body: Buffer, realm: URL): Token {
  let document: unknown;
  try {
    document = JSON.parse(body.toString('utf8'));
  } catch {
    throw malformed(realm, 'it is not JSON');
  }
  if (!isObject(document)) throw malformed(realm, 'it is not an object');
  const { token, access_token, refresh_token, expires_in } = document;
  const value = typeof token === 'string' && token ? token : access_token;
  if (typeof value !== 'string' || !value || /[^\x21-\x7e]/.test(value)) {
    throw new GantryError('remote', 'authorization server did not include a token in the response');
  }
  const lifetime =
    typeof expires_in === 'number' && expires_in > 0 ? Math.max(expires_in, defaultLifetime) : defaultLifetime;
  return {
    value,
    expires: Date.now() + lifetime * 1000,
    refreshToken: typeof refresh_token === 'string' ? refresh_token : '',
  };
}

const malformed = (realm: URL, reason: string): GantryError =>
  new GantryError('remote', `the answer of the token service ${realm.host} cannot be used: ${reason}`);
