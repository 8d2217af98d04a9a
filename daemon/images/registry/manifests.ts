import { GantryError, invalid } from '../../errors.js';
import { digestOf, isDigest, type Digest } from '../digest.js';
import { isObject, maxDocumentBytes, parseObject } from '../json-document.js';
import { isIndexType, isManifestType } from '../manifest.js';
import type { RepositorySession } from './session.js';
import { drop, readAll } from './transport.js';

/** A manifest or an index, as a registry has it. */
export interface FetchedManifest {
  mediaType: string;
  digest: Digest;
  content: Buffer;
}

const accepted = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  // Some registries have no other name for what they store.
  'application/json',
].join(', ');

/**
 * Fetches a manifest or an index and verifies its digest.
 *
 * @param reference a tag or a digest
 * @throws GantryError
 */
export async function fetchManifest(session: RepositorySession, reference: string): Promise<FetchedManifest> {
  const answer = await session.send({
    method: 'GET',
    target: `manifests/${reference}`,
    headers: { accept: accepted },
    accept: [200],
  });
  const content = await readAll(answer, maxDocumentBytes, () =>
    invalid(`manifest ${reference} is too large: more than ${maxDocumentBytes} bytes`),
  );
  const digest = digestOf(content);
  const expected = isDigest(reference) ? reference : answer.headers['docker-content-digest'];
  if (isDigest(expected) && expected !== digest) {
    throw invalid(`manifest verification failed for digest ${expected}`);
  }
  return { mediaType: mediaTypeOf(content, answer.headers['content-type'], digest), digest, content };
}

/** The digest that a tag stands for, without fetching anything; undefined when the registry does not say. */
export async function headManifest(session: RepositorySession, reference: string): Promise<Digest | undefined> {
  const answer = await session.send({
    method: 'HEAD',
    target: `manifests/${reference}`,
    headers: { accept: accepted },
    accept: [200, 404],
  });
  await drop(answer);
  const digest = answer.headers['docker-content-digest'];
  return answer.status === 200 && isDigest(digest) ? digest : undefined;
}

/**
 * What a document is: by its own word, which must agree with the header's, else by the header, else by its members. One
 * that could be read both ways is refused (CVE-2021-41190).
 */
function mediaTypeOf(content: Buffer, header: string | string[] | undefined, digest: Digest): string {
  const stated = typeof header === 'string' ? (header.split(';')[0] ?? '').trim().toLowerCase() : '';
  if (stated.startsWith('application/vnd.docker.distribution.manifest.v1')) refuseSchema1();
  const document = parseObject(content, `manifest ${digest}`);
  if (document['schemaVersion'] === 1) refuseSchema1();
  const looksLikeIndex = document['manifests'] !== undefined;
  if (looksLikeIndex && (document['layers'] !== undefined || document['config'] !== undefined)) {
    throw invalid(`manifest ${digest} is ambiguous: it has members of an index and of an image manifest`);
  }
  const own = document['mediaType'];
  const isSpecific = isIndexType(stated) || isManifestType(stated);
  if (typeof own === 'string' && own !== '') {
    if (!isIndexType(own) && !isManifestType(own)) throw unsupportedType(own);
    if (isSpecific && own !== stated) throw invalid(`manifest ${digest} is a ${own}, but was sent as ${stated}`);
  }
  const result = typeof own === 'string' && own !== '' ? own : isSpecific ? stated : '';
  if (result === '') {
    if (!looksLikeIndex && !isObject(document['config'])) throw unsupportedType(stated || 'unknown');
    return looksLikeIndex
      ? 'application/vnd.oci.image.index.v1+json'
      : 'application/vnd.docker.distribution.manifest.v2+json';
  }
  if (isIndexType(result) !== looksLikeIndex) throw invalid(`manifest ${digest} does not look like a ${result}`);
  return result;
}

function refuseSchema1(): never {
  throw invalid(
    'Docker Image Format v1 and Docker Image manifest version 2, schema 1 are not supported: ' +
      'suggest the author to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2',
  );
}

const unsupportedType = (mediaType: string): GantryError =>
  invalid(`unsupported manifest media type: ${mediaType.slice(0, 200)}`);
