import { GantryError } from '../../errors.js';
import { isObject, isStringArray, maxDocumentBytes, parseJson } from '../json-document.js';
import type { RepositorySession } from './session.js';
import { readAll } from './transport.js';

const maxTags = 10_000;
const tagSyntax = /^\w[\w.-]{0,127}$/;

/** All tags of a repository. @throws GantryError */
export async function listTags(session: RepositorySession): Promise<string[]> {
  const tags = new Set<string>();
  let target: string | undefined = 'tags/list';
  while (target !== undefined) {
    const answer = await session.send({ method: 'GET', target, accept: [200] });
    const tooLarge = (): Error => new GantryError('remote', `the list of tags of ${session.path} is too large`);
    const before = tags.size;
    for (const tag of readTags(await readAll(answer, maxDocumentBytes, tooLarge), session.path)) tags.add(tag);
    if (tags.size > maxTags) throw tooLarge();
    // A page without anything new would be asked for for ever.
    target = tags.size > before ? nextPage(answer.headers['link']) : undefined;
  }
  return [...tags];
}

function readTags(content: Buffer, path: string): string[] {
  const document = parseJson(content, `list of tags of ${path}`);
  const tags = isObject(document) ? (document['tags'] ?? []) : undefined;
  if (!isStringArray(tags)) throw new GantryError('remote', `the list of tags of ${path} is not valid`);
  return tags.filter((tag) => tagSyntax.test(tag));
}

/** Only what the next page begins with is taken from the link: it leads nowhere but to the same list. */
function nextPage(link: string | string[] | undefined): string | undefined {
  const reference = typeof link === 'string' ? /<([^>]*)>\s*;\s*rel="?next"?/.exec(link)?.[1] : undefined;
  if (reference === undefined || !URL.canParse(reference, 'http://registry/')) return undefined;
  return `tags/list${new URL(reference, 'http://registry/').search}`;
}
