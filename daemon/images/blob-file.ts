import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import type { Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import { invalid } from '../errors.js';
import { decompressor, detectCompression, signatureLength, type Compression } from './compression.js';
import type { Digest } from './digest.js';

/** What became known of a blob while it was written. */
export interface BlobFile {
  path: string;
  digest: Digest;
  size: number;
  compression: Compression | 'bzip2' | 'xz';
  /** Digest of the uncompressed bytes; "" when they cannot be had (bzip2, xz). */
  diffId: Digest;
  /** The first bytes, enough to tell a tar archive from a JSON document. */
  start: Uint8Array;
}

const startLength = 512;
const batchBytes = 1024 * 1024;

/**
 * Writes a stream to a new file and takes its digests on the way, compressed and uncompressed, in one pass.
 *
 * @throws GantryError invalid when compressed data is damaged
 */
export async function writeBlobFile(path: string, source: AsyncIterable<Uint8Array>): Promise<BlobFile> {
  const file = await open(path, 'wx', 0o600);
  try {
    const writer = new BatchWriter(file);
    const digests = new Digests();
    for await (const chunk of source) {
      writer.add(chunk);
      await digests.add(chunk);
      if (writer.isFull) await writer.flush();
    }
    await writer.flush();
    await writer.written;
    return { path, size: writer.size, ...(await digests.finish()) };
  } finally {
    await file.close();
  }
}

/** Gathers chunks and writes them by the megabyte, the next batch filling while one is being written. */
class BatchWriter {
  size = 0;
  written: Promise<void> = Promise.resolve();
  #chunks: Uint8Array[] = [];
  #pending = 0;

  constructor(readonly file: FileHandle) {}

  get isFull(): boolean {
    return this.#pending >= batchBytes;
  }

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#pending += chunk.length;
    this.size += chunk.length;
  }

  async flush(): Promise<void> {
    const [chunks, expected] = [this.#chunks, this.#pending];
    if (expected === 0) return;
    this.#chunks = [];
    this.#pending = 0;
    await this.written;
    this.written = this.#write(chunks, expected);
    // Whoever awaits `written` gets the failure; this keeps it from counting as unhandled until then.
    this.written.catch(() => undefined);
  }

  async #write(chunks: Uint8Array[], expected: number): Promise<void> {
    const { bytesWritten } = await this.file.writev(chunks);
    if (bytesWritten !== expected) throw new Error('write blob: no space left on device');
  }
}

/** Both digests of a stream whose compression shows in its first bytes. */
class Digests {
  readonly #compressed = createHash('sha256');
  #start: Uint8Array = new Uint8Array(0);
  #uncompressed: UncompressedDigest | undefined;
  #compression: BlobFile['compression'] | undefined;
  #held: Uint8Array[] = [];

  async add(chunk: Uint8Array): Promise<void> {
    this.#compressed.update(chunk);
    if (this.#start.length < startLength) {
      this.#start = Buffer.concat([this.#start, chunk.subarray(0, startLength - this.#start.length)]);
    }
    if (this.#compression !== undefined) return this.#uncompressed?.add(chunk);
    this.#held.push(chunk);
    if (this.#start.length >= signatureLength) await this.#detect();
  }

  async finish(): Promise<Omit<BlobFile, 'path' | 'size'>> {
    await this.#detect();
    const compression = this.#compression ?? 'none';
    const digest = `sha256:${this.#compressed.digest('hex')}`;
    const diffId = compression === 'none' ? digest : ((await this.#uncompressed?.finish()) ?? '');
    return { digest, diffId, compression, start: this.#start };
  }

  async #detect(): Promise<void> {
    if (this.#compression !== undefined) return;
    const compression = detectCompression(this.#start);
    this.#compression = compression;
    if (compression === 'gzip' || compression === 'zstd') this.#uncompressed = new UncompressedDigest(compression);
    for (const chunk of this.#held) await this.#uncompressed?.add(chunk);
    this.#held = [];
  }
}

class UncompressedDigest {
  readonly #hash = createHash('sha256');
  readonly #stream: Transform;
  readonly #ended: Promise<void>;

  constructor(readonly compression: 'gzip' | 'zstd') {
    this.#stream = decompressor(compression);
    this.#stream.on('data', (chunk: Uint8Array) => this.#hash.update(chunk));
    this.#ended = finished(this.#stream);
    this.#ended.catch(() => undefined);
  }

  async add(chunk: Uint8Array): Promise<void> {
    if (!this.#stream.writable || this.#stream.write(chunk)) return;
    await Promise.race([once(this.#stream, 'drain').catch(() => undefined), this.#ended.catch(() => undefined)]);
  }

  async finish(): Promise<Digest> {
    this.#stream.end();
    try {
      await this.#ended;
    } catch (cause) {
      throw invalid(`layer is not valid ${this.compression} data: ${(cause as Error).message}`, cause);
    }
    return `sha256:${this.#hash.digest('hex')}`;
  }
}
