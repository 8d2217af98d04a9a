import type { IncomingHttpHeaders } from 'node:http';
import { isObject } from '../json-document.js';

/** How a client identifies itself to a registry; all "" for a client that does not. */
export interface Credentials {
  username: string;
  password: string;
  /** A refresh token that the registry gave at login, in the place of a password. */
  identityToken: string;
  /** A bearer token, used as it is. */
  registryToken: string;
}

export const anonymous: Credentials = { username: '', password: '', identityToken: '', registryToken: '' };

/** The names under which clients store what belongs to Docker Hub. */
const hubNames = ['docker.io', 'index.docker.io', 'https://index.docker.io/v1/'];

/** Docker's AuthConfig. `auth` is an older form of user name and password. */
export function credentialsOf(value: unknown): Credentials {
  if (!isObject(value)) return anonymous;
  const field = (name: string): string => (typeof value[name] === 'string' ? value[name] : '');
  const [username, password] = splitAuth(field('auth'));
  return {
    username: field('username') || username,
    password: field('password') || password,
    identityToken: field('identitytoken'),
    registryToken: field('registrytoken'),
  };
}

/**
 * Who the client says it is, for a registry: by `X-Registry-Auth`, else by that registry's entry of `X-Registry-Config`.
 * What cannot be decoded means nobody, as with Docker: clients that have nothing to say send all sorts of fillers.
 */
export function credentialsFor(headers: IncomingHttpHeaders, registry: string): Credentials {
  const own = decodeHeader(headers['x-registry-auth']);
  if (own !== undefined) return credentialsOf(own);
  const all = decodeHeader(headers['x-registry-config']);
  if (!isObject(all)) return anonymous;
  const names = registry === 'docker.io' ? hubNames : [registry, `https://${registry}`, `http://${registry}`];
  const name = names.find((candidate) => Object.hasOwn(all, candidate));
  return name === undefined ? anonymous : credentialsOf(all[name]);
}

/** JSON in base64, of either alphabet, with or without padding. */
function decodeHeader(header: string | string[] | undefined): unknown {
  if (typeof header !== 'string' || header === '') return undefined;
  try {
    return JSON.parse(Buffer.from(header, 'base64url').toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

function splitAuth(auth: string): [string, string] {
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? ['', ''] : [text.slice(0, colon), text.slice(colon + 1).replace(/\0+$/, '')];
}
