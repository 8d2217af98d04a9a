/**
 * Nouns whose names may contain slashes ("front/db" is a link of a container), and what may follow such a name. `GET /images/library/busybox/json` has to reach
 * the route `/images/:name/json`, so the slashes inside the name are encoded before routing.
 */
const VERBS: Record<string, readonly string[]> = {
  images: ['json', 'history', 'push', 'tag', 'get'],
  distribution: ['json'],
  volumes: [],
  networks: ['connect', 'disconnect'],
};
/** Whose names contain slashes only where they are removed. */
const REMOVED = new Set(['containers']);

/** Encodes the slashes of a name in a path without a version and query. */
export function encodeName(method: string, path: string): string {
  const [, noun = '', ...rest] = path.split('/');
  const verbs = REMOVED.has(noun) && method === 'DELETE' ? [] : VERBS[noun];
  if (!verbs || rest.length < 2) return path;
  const last = rest.at(-1) ?? '';
  const hasVerb = method !== 'DELETE' && verbs.includes(last);
  const name = hasVerb ? rest.slice(0, -1) : rest;
  return `/${noun}/${name.join('%2F')}${hasVerb ? `/${last}` : ''}`;
}
