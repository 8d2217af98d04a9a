import { invalid } from '../errors.js';
import { isDigest, type Digest } from './digest.js';

/** A parsed image name. `repository` is complete: "docker.io/library/busybox". */
export interface Reference {
  repository: string;
  tag?: string;
  digest?: Digest;
}

const defaultDomain = 'docker.io';
const officialPrefix = 'library/';
const maxNameLength = 255;

const domainSyntax =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/;
const pathSyntax = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagSyntax = /^[\w][\w.-]{0,127}$/;
const identifierSyntax = /^[a-f0-9]{64}$/;

/**
 * Parses what a user calls an image: "busybox", "localhost:5000/a/b:1", "busybox@sha256:…".
 *
 * @throws GantryError invalid, in Docker's words
 */
export function parseReference(text: string): Reference {
  if (identifierSyntax.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const [named, digest, ...more] = text.split('@');
  if (named === undefined || more.length > 0) throw invalid('invalid reference format');
  if (digest !== undefined && !isDigest(digest)) throw invalid('invalid reference format');
  const { name, tag } = splitTag(named);
  const { domain, path } = splitDomain(name);
  if (!domainSyntax.test(domain)) throw invalid('invalid reference format');
  if (!pathSyntax.test(path)) {
    if (pathSyntax.test(path.toLowerCase())) {
      throw invalid(`invalid reference format: repository name (${path}) must be lowercase`);
    }
    throw invalid('invalid reference format');
  }
  if (tag !== undefined && !tagSyntax.test(tag)) throw invalid('invalid reference format');
  if (path.length > maxNameLength) throw invalid(`repository name must not be more than ${maxNameLength} characters`);
  return { repository: `${domain}/${path}`, ...(tag === undefined ? {} : { tag }), ...(digest ? { digest } : {}) };
}

export function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}

/** A repository given in one parameter and a tag in another, as /images/create and /commit have them. */
export function parseRepositoryAndTag(repository: string, tag: string | undefined): Reference {
  const reference = parseReference(repository);
  if (reference.digest !== undefined) throw invalid('cannot import digest reference');
  if (!tag) return withDefaultTag(reference);
  if (!tagSyntax.test(tag)) throw invalid('invalid tag format');
  return { repository: reference.repository, tag };
}

/** ":latest" where neither tag nor digest is given. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference;
}

/** The repository as users write it: "busybox" for "docker.io/library/busybox". */
export function familiarName(repository: string): string {
  if (!repository.startsWith(`${defaultDomain}/`)) return repository;
  const path = repository.slice(defaultDomain.length + 1);
  return path.startsWith(officialPrefix) && !path.slice(officialPrefix.length).includes('/')
    ? path.slice(officialPrefix.length)
    : path;
}

/** "busybox:latest", "busybox@sha256:…" */
export function familiarReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${familiarName(reference.repository)}${tag}${digest}`;
}

/** "sha256:<hex>" when `text` is a whole image id with or without its algorithm. */
export function wholeId(text: string): Digest | undefined {
  if (identifierSyntax.test(text)) return `sha256:${text}`;
  return isDigest(text) ? text : undefined;
}

/** The hexadecimal digits of `text` when it can be the beginning of an image id. */
export function idPrefix(text: string): string | undefined {
  return /^(?:sha256:)?([a-f0-9]{1,64})$/.exec(text)?.[1];
}

/** A colon after the last slash starts a tag; before it, a port. */
function splitTag(text: string): { name: string; tag?: string } {
  const colon = text.lastIndexOf(':');
  if (colon <= text.lastIndexOf('/')) return { name: text };
  return { name: text.slice(0, colon), tag: text.slice(colon + 1) };
}

/** The first component is a registry if it looks like a host: has a dot, a port, an upper-case letter or is "localhost". */
function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isHost = slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  if (!isHost) return { domain: defaultDomain, path: slash < 0 ? officialPrefix + name : name };
  const path = name.slice(slash + 1);
  if (first !== defaultDomain && first !== 'index.docker.io') return { domain: first, path };
  return { domain: defaultDomain, path: path.includes('/') ? path : officialPrefix + path };
}
