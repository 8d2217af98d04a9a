import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { GantryError, invalid } from '../errors.js';
import { decompressor, detectCompression, signatureLength } from './compression.js';
import type { Digest } from './digest.js';
import { maxDocumentBytes } from './json-document.js';
import type { Staging } from './staging.js';

/** Read into memory rather than staged: they say what the rest of the archive is. */
const documentNames = new Set(['manifest.json', 'index.json', 'oci-layout', 'repositories']);
const maxEntries = 65_536;

/** A file of the archive: its header, and its content as it arrives. */
type Entry = AsyncIterable<Uint8Array> & { header: Header };

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
 * Reads an image archive (plain, gzip or zstd) from a stream into a staging area; layers begin to be unpacked while the
 * rest still arrives.
 *
 * @throws GantryError invalid when it is damaged or hostile
 */
export async function readArchive(source: Readable, staging: Staging): Promise<ArchiveContent> {
  const content = new ArchiveContent();
  const parser = extract();
  const feeding = feed(source, parser);
  // Whatever ends the feeding early has to end the reading, too.
  feeding.catch((error: unknown) => parser.destroy(error as Error));
  try {
    for await (const entry of parser) await takeEntry(entry as unknown as Entry, content, staging);
    await feeding;
  } catch (error) {
    parser.destroy();
    throw asArchiveError(error, source);
  }
  return content;
}

async function feed(source: Readable, parser: ReturnType<typeof extract>): Promise<void> {
  const { start, rest } = await peek(source);
  const compression = detectCompression(start);
  if (compression === 'bzip2' || compression === 'xz') {
    throw invalid(`archives compressed with ${compression} cannot be loaded: use gzip, zstd or none`);
  }
  const input = Readable.from(rest, { objectMode: false, highWaterMark: 1024 * 1024 });
  if (compression === 'none') await pipeline(input, parser);
  else await pipeline(input, decompressor(compression), parser);
}

/** The first bytes of a stream, and all of it again. */
async function peek(source: Readable): Promise<{ start: Buffer; rest: AsyncIterable<Buffer> }> {
  // The connection is not ours to close: the refusal has to reach the client.
  const iterator = source.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  const held: Buffer[] = [];
  let length = 0;
  while (length < signatureLength) {
    const next = await iterator.next();
    if (next.done) break;
    held.push(next.value);
    length += next.value.length;
  }
  async function* rest(): AsyncGenerator<Buffer> {
    yield* held;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { start: Buffer.concat(held), rest: rest() };
}

async function takeEntry(entry: Entry, content: ArchiveContent, staging: Staging): Promise<void> {
  const { name, type, linkname, size } = entry.header;
  const path = entryName(name);
  if (type === 'directory') return drain(entry);
  content.addName(path);
  if (type === 'symlink' || type === 'link') {
    const target = type === 'link' ? linkname : posix.join(posix.dirname(path), linkname);
    content.addLink(path, posix.isAbsolute(linkname) ? linkname : posix.normalize(target));
    return drain(entry);
  }
  if (type !== 'file' && type !== 'contiguous-file') throw invalid(`invalid archive: ${path} is a ${type}`);
  if (documentNames.has(path)) {
    content.documents.set(path, await readSmall(entry, size, path));
    return;
  }
  const stated = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
  if (stated !== undefined && staging.hold(`sha256:${stated}`)) {
    content.blobs.set(path, `sha256:${stated}`);
    return drain(entry);
  }
  const blob = await staging.receive(entry);
  if (stated !== undefined && blob.digest !== `sha256:${stated}`) {
    throw invalid(`invalid archive: the content of ${path} has digest ${blob.digest}`);
  }
  content.blobs.set(path, blob.digest);
  if (looksLikeLayer(blob.start, blob.compression)) void staging.unpackEarly(blob);
}

const looksLikeLayer = (start: Uint8Array, compression: string): boolean =>
  compression === 'gzip' ||
  compression === 'zstd' ||
  Buffer.from(start.subarray(257, 262)).toString('latin1') === 'ustar';

async function drain(entry: Entry): Promise<void> {
  for await (const chunk of entry) void chunk;
}

async function readSmall(entry: Entry, size: number, name: string): Promise<Buffer> {
  if (size > maxDocumentBytes) throw invalid(`invalid archive: ${name} is too large (${size} bytes)`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The name of an entry, without a leading "./". Nothing is ever looked up on disk by it. */
function entryName(name: string): string {
  const path = posix.normalize(name).replace(/\/$/, '');
  if (posix.isAbsolute(path) || path === '..' || path.startsWith('../') || name.includes('\0')) {
    throw invalid(`invalid archive: the entry ${JSON.stringify(name)} leads out of it`);
  }
  return path;
}

/** Whatever tar-stream or zlib says is about the archive; what the connection or the disk says is not. */
function asArchiveError(error: unknown, source: Readable): Error {
  if (error instanceof GantryError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (source.readableAborted && !source.readableEnded && code === 'ECONNRESET') return error as Error;
  const fromDisk = typeof code === 'string' && /^E[A-Z]+$/.test(code);
  return fromDisk ? (error as Error) : invalid(`invalid archive: ${message}`, error);
}
