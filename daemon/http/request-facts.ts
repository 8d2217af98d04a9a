import type { IncomingMessage } from 'node:http';
import { encodeName } from './names.js';
import { splitVersion } from './version.js';

/** What is read off a request before routing. */
export interface RequestFacts {
  /** The version in the URL, not yet judged. */
  version: string | undefined;
  /** Without the question mark. */
  query: string;
  contentType: string | undefined;
}

const facts = new WeakMap<IncomingMessage, RequestFacts>();

/**
 * The URL by which a request is routed: without version and query, names encoded. The rest is kept for the handler. The
 * content type is taken out of Fastify's sight: which ones are right depends on the operation, and Docker's wording differs.
 */
export function routingUrl(request: IncomingMessage): string {
  const { version, rest } = splitVersion(request.url ?? '/');
  const mark = rest.indexOf('?');
  const path = mark < 0 ? rest : rest.slice(0, mark);
  facts.set(request, {
    version,
    query: mark < 0 ? '' : rest.slice(mark + 1),
    contentType: request.headers['content-type'],
  });
  delete request.headers['content-type'];
  return encodeName(request.method ?? 'GET', path);
}

export function requestFacts(request: IncomingMessage): RequestFacts {
  return facts.get(request) ?? { version: undefined, query: '', contentType: undefined };
}
