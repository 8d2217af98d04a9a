import { GantryError, invalid } from '../../errors.js';
import type { Filters } from '../../http/filters.js';
import { isObject, parseJson } from '../json-document.js';
import type { Connections } from './connections.js';
import type { Credentials } from './credentials.js';
import { isInsecure } from './insecure.js';
import { registryErrorOf } from './registry-error.js';
import { basicAuthorization } from './tokens.js';
import { drop, readAll, type Transport } from './transport.js';

/** Docker's ImageSearchResponseItem. */
export interface SearchResult {
  name: string;
  description: string;
  star_count: number;
  is_official: boolean;
  is_automated: boolean;
}

export const searchFilterNames = ['is-automated', 'is-official', 'stars'];

const hubIndex = 'https://index.docker.io/v1/';
const defaultLimit = 25;
const maxAnswerBytes = 4 * 1024 * 1024;

export interface SearchRequest {
  /** "term", or "registry.example:5000/term" to search elsewhere than on Docker Hub. */
  term: string;
  limit: number | undefined;
  filters: Filters;
}

/** Searches by the API that Docker Hub has for it, which other registries may have as well. */
export class Search {
  constructor(
    readonly transport: Transport,
    readonly connections: Connections,
  ) {}

  /** @throws GantryError */
  async find(
    request: SearchRequest,
    credentials: (registry: string) => Credentials,
    signal: AbortSignal,
  ): Promise<SearchResult[]> {
    const limit = request.limit || defaultLimit;
    if (limit < 1 || limit > 100) throw invalid(`limit ${limit} is outside the range of [1, 100]`);
    const isWanted = compileFilters(request.filters);
    const { registry, query } = splitTerm(request.term);
    const index = registry === undefined ? hubIndex : await this.#index(registry, signal);
    const url = new URL('search', index);
    url.search = new URLSearchParams({ q: query, n: String(limit) }).toString();
    const { username, password } = credentials(registry ?? 'docker.io');
    const headers = {
      accept: 'application/json',
      ...(username && password ? { authorization: basicAuthorization(username, password) } : {}),
    };
    const answer = await this.transport.send({ method: 'GET', url, headers, signal });
    if (answer.status !== 200) {
      const { message } = await registryErrorOf(answer);
      throw new GantryError(
        answer.status === 401 ? 'unauthorized' : 'remote',
        `Unexpected status code ${answer.status}${answer.status < 500 && !message.startsWith('un') ? `: ${message}` : ''}`,
      );
    }
    const tooLarge = (): Error => new GantryError('remote', `the answer of ${url.host} is too large`);
    return readResults(await readAll(answer, maxAnswerBytes, tooLarge), url.host)
      .filter(isWanted)
      .slice(0, limit);
  }

  /** Where a registry has its index: by HTTPS, or by HTTP if it is allowed to. */
  async #index(registry: string, signal: AbortSignal): Promise<string> {
    if (!URL.canParse(`https://${registry}/`)) throw invalid(`invalid registry: ${registry}`);
    const allowsPlain = await isInsecure(registry, this.connections.settings().insecure);
    const failures: string[] = [];
    for (const scheme of allowsPlain ? ['https', 'http'] : ['https']) {
      try {
        await drop(
          await this.transport.send({ method: 'GET', url: new URL(`${scheme}://${registry}/v1/_ping`), signal }),
        );
        return `${scheme}://${registry}/v1/`;
      } catch (error) {
        signal.throwIfAborted();
        failures.push(`${scheme.toUpperCase()} attempt: ${(error as Error).message}`);
      }
    }
    const endpoint = JSON.stringify(`${allowsPlain ? 'http' : 'https'}://${registry}/v1/`);
    throw invalid(`invalid registry endpoint ${endpoint}. ${failures.join('. ')}`);
  }
}

/** A first component that looks like a host names the registry. */
export function splitTerm(term: string): { registry?: string; query: string } {
  if (/^https?:\/\//i.test(term))
    throw invalid(`invalid repository name: repository name (${term}) should not have a scheme`);
  const slash = term.indexOf('/');
  const first = slash < 0 ? '' : term.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost';
  if (!isHost) return { query: term.replace(/^library\//, '') };
  const query = term.slice(slash + 1);
  return first === 'docker.io' || first === 'index.docker.io' ? { query } : { registry: first, query };
}

function compileFilters(filters: Filters): (result: SearchResult) => boolean {
  filters.allow(...searchFilterNames);
  const official = filters.has('is-official') ? filters.boolean('is-official', false) : undefined;
  const automated = filters.has('is-automated') ? filters.boolean('is-automated', false) : undefined;
  const stars = filters.get('stars').map((text) => {
    if (!/^\d{1,15}$/.test(text)) throw invalid(`invalid filter 'stars=${text}'`);
    return Number(text);
  });
  return (result) =>
    (official === undefined || result.is_official === official) &&
    (automated === undefined || result.is_automated === automated) &&
    stars.every((least) => result.star_count >= least);
}

function readResults(content: Buffer, host: string): SearchResult[] {
  const document = parseJson(content, `the answer of ${host}`);
  const results = isObject(document) ? (document['results'] ?? []) : undefined;
  if (!Array.isArray(results)) throw new GantryError('remote', `the answer of ${host} has no list of results`);
  return results.filter(isObject).map((result) => ({
    name: typeof result['name'] === 'string' ? result['name'] : '',
    description: typeof result['description'] === 'string' ? result['description'] : '',
    star_count: typeof result['star_count'] === 'number' ? Math.trunc(result['star_count']) : 0,
    is_official: result['is_official'] === true,
    is_automated: result['is_automated'] === true,
  }));
}
