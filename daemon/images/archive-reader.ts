import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { GantryError, invalid } from '../errors.js';
import type { ArchiveMember, ImageArchive } from '../runtime/addon.js';
import type { Digest } from './digest.js';
import { feedPipe } from './feed.js';
import { maxDocumentBytes } from './json-document.js';
import { TransferProgress, type Report } from './registry/progress.js';
import type { Staging } from './staging.js';

/** Read into memory rather than staged: they say what the rest of the archive is. */
const documentNames = new Set(['manifest.json', 'index.json', 'oci-layout', 'repositories']);
const maxEntries = 65_536;

/** The content of an image archive, by name: documents in memory, everything else as blobs in a staging area. */
export class ArchiveContent {
  readonly documents = new Map<string, Buffer>();
  readonly blobs = new Map<string, Digest>();
  readonly #links = new Map<string, string>();
  readonly #names = new Set<string>();

  /** The blob of that name, through at most one link: older archives name a repeated layer by one. */
  blob(name: string): Digest {
    const path = entryName(name);
    const found = this.blobs.get(path) ?? this.blobs.get(this.#links.get(path) ?? '');
    if (found) return found;
    const target = this.#links.get(path);
    throw invalid(
      target === undefined
        ? `invalid archive: ${path} is missing`
        : `invalid archive: ${path} is a link to ${target}, which is not a file in the archive`,
    );
  }

  addName(name: string): void {
    if (this.#names.has(name)) throw invalid(`invalid archive: ${name} is in it twice`);
    if (this.#names.size >= maxEntries) throw invalid(`invalid archive: more than ${maxEntries} files`);
    this.#names.add(name);
  }

  addLink(name: string, target: string): void {
    this.#links.set(name, target);
  }
}

/**
 * Reads an image archive (plain or compressed) from a stream into a staging area. The archive is parsed, hashed and
 * unpacked in native threads; here it is only decided what each member is.
 *
 * @param report is told how far each layer is
 * @throws GantryError invalid when it is damaged or hostile
 */
export async function readArchive(source: Readable, staging: Staging, report?: Report): Promise<ArchiveContent> {
  const { addon } = staging.content;
  // The connection is not ours to close: a refusal has to reach the client.
  const chunks = source.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  const read = async (input: number): Promise<ArchiveContent> => {
    const archive = addon.openImageArchive(input);
    try {
      return await readMembers(archive, staging, report);
    } finally {
      addon.closeImageArchive(archive);
    }
  };
  try {
    return await feedPipe(addon, chunks, read, { ownsChunks: true });
  } catch (error) {
    throw asArchiveError(error, source);
  }
}

async function readMembers(archive: ImageArchive, staging: Staging, report?: Report): Promise<ArchiveContent> {
  const content = new ArchiveContent();
  const { addon } = staging.content;
  for (let member = await addon.nextMember(archive); member; member = await addon.nextMember(archive)) {
    await takeMember(archive, member, content, staging, report);
  }
  return content;
}

async function takeMember(
  archive: ImageArchive,
  { name, type, link, size }: ArchiveMember,
  content: ArchiveContent,
  staging: Staging,
  report?: Report,
): Promise<void> {
  const path = entryName(name);
  if (type === 'directory') return;
  content.addName(path);
  if (type === 'symlink' || type === 'link') {
    const target = type === 'link' ? link : posix.join(posix.dirname(path), link);
    content.addLink(path, posix.isAbsolute(link) ? link : posix.normalize(target));
    return;
  }
  if (type !== 'file') throw invalid(`invalid archive: ${path} is a ${type}`);
  if (documentNames.has(path)) {
    if (size > maxDocumentBytes) throw invalid(`invalid archive: ${path} is too large (${size} bytes)`);
    content.documents.set(path, await staging.content.addon.readMember(archive, maxDocumentBytes));
    return;
  }
  const stated = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
  if (stated !== undefined && staging.hold(`sha256:${stated}`)) {
    content.blobs.set(path, `sha256:${stated}`);
    return;
  }
  const progress = report && new TransferProgress(report, layerId(stated ?? path), 'Loading layer', size);
  const blob = await staging.receiveMember(archive, progress && ((bytes) => progress.update(bytes)));
  if (staging.isUnpacked(blob.digest)) progress?.update(size);
  if (stated !== undefined && blob.digest !== `sha256:${stated}`) {
    throw invalid(`invalid archive: the content of ${path} has digest ${blob.digest}`);
  }
  content.blobs.set(path, blob.digest);
}

/** What a client tells layers apart by: digest or, in archives before Docker 25, directory. */
const layerId = (name: string): string => name.slice(0, 12);

/** The name of an entry, without a leading "./". Nothing is ever looked up on disk by it. */
function entryName(name: string): string {
  const path = posix.normalize(name).replace(/\/$/, '');
  if (posix.isAbsolute(path) || path === '..' || path.startsWith('../') || name.includes('\0')) {
    throw invalid(`invalid archive: the entry ${JSON.stringify(name)} leads out of it`);
  }
  return path;
}

/** What the native reader says without an errno is about the archive; what the connection or the disk says is not. */
function asArchiveError(error: unknown, source: Readable): Error {
  if (error instanceof GantryError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (source.readableAborted && !source.readableEnded && code === 'ECONNRESET') return error as Error;
  const fromDisk = typeof code === 'string' && /^E[A-Z]+$/.test(code);
  return fromDisk ? (error as Error) : invalid(`invalid archive: ${message}`, error);
}
