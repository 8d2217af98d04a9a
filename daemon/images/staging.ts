import { createHash } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError, invalid } from '../errors.js';
import type { NativeError } from '../runtime/addon.js';
import { writeBlobFile, type BlobFile } from './blob-file.js';
import { detectCompression, signatureLength, type Compression } from './compression.js';
import type { Content } from './content.js';
import type { Digest } from './digest.js';
import { maxDocumentBytes } from './json-document.js';

/** Bounds the memory of one operation; a hundred images have less than a megabyte of documents. */
const maxAllDocumentBytes = 64 * 1024 * 1024;

/** An unpacked layer that has no name yet. */
export interface StagedLayer {
  path: string;
  bytes: number;
  entries: number;
}

/** A blob that an image can be made of: one that was brought in, or one that was there. */
export interface AvailableBlob {
  path: string;
  digest: Digest;
  size: number;
  diffId: Digest;
}

/**
 * What one operation (a load, an import, a commit) has brought in and not yet published, in a directory of its own.
 * `discard` ends it in every case and leaves nothing behind.
 */
export class Staging {
  readonly directory: string;
  readonly #blobs = new Map<Digest, BlobFile>();
  readonly #pins: Digest[] = [];
  readonly #unpacking = new Map<Digest, Promise<StagedLayer>>();
  #lastUnpack: Promise<unknown> = Promise.resolve();
  #count = 0;
  #documentBytes = 0;

  constructor(readonly content: Content) {
    this.directory = content.directories.newTemporary();
    mkdirSync(this.directory, { mode: 0o700 });
  }

  /** Takes a blob in. A second one with the same content is dropped. */
  async receive(source: AsyncIterable<Uint8Array>): Promise<BlobFile> {
    return this.#keep(await writeBlobFile(this.newPath(), source));
  }

  /** Shares a blob that another operation has brought in and not yet published. */
  adopt(blob: BlobFile): BlobFile {
    const path = this.newPath();
    linkSync(blob.path, path);
    return this.#keep({ ...blob, path });
  }

  /** Takes in a small document that was made here. */
  addDocument(content: Uint8Array): BlobFile {
    const path = this.newPath();
    writeFileSync(path, content, { mode: 0o600 });
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    return this.#keep({
      path,
      digest,
      size: content.length,
      compression: 'none',
      diffId: digest,
      start: content.subarray(0, 512),
    });
  }

  /** Whether the store has this blob; if so it stays at least as long as this operation. */
  hold(digest: Digest): boolean {
    if (!this.content.store.blob(digest)) return false;
    this.pin(digest);
    return true;
  }

  /** Keeps a stored blob or layer from being swept until `discard`. */
  pin(digest: Digest): void {
    this.content.pin(digest);
    this.#pins.push(digest);
  }

  staged(digest: Digest): BlobFile | undefined {
    return this.#blobs.get(digest);
  }

  find(digest: Digest): AvailableBlob | undefined {
    const staged = this.#blobs.get(digest);
    if (staged) return staged;
    const stored = this.content.store.blob(digest);
    return stored && { path: this.content.directories.blob(digest), digest, size: stored.size, diffId: stored.diff_id };
  }

  /** A layer's compression, for its media type. @throws GantryError invalid for one that is not stored */
  async layerCompression(blob: AvailableBlob): Promise<Compression> {
    const file = await open(blob.path);
    try {
      const { buffer } = await file.read(Buffer.alloc(signatureLength), 0, signatureLength);
      const compression = detectCompression(buffer);
      if (compression === 'none' || compression === 'gzip' || compression === 'zstd') return compression;
      throw invalid(`layer ${blob.digest} is compressed with ${compression}: use gzip, zstd or none`);
    } finally {
      await file.close();
    }
  }

  /** The content of a small document, from here or from the store. @throws GantryError invalid when absent or too large */
  async document(digest: Digest, what: string): Promise<Buffer> {
    const blob = this.find(digest);
    if (!blob) throw invalid(`${what} ${digest} is missing`);
    if (blob.size > maxDocumentBytes) throw invalid(`${what} is too large for a JSON document (${blob.size} bytes)`);
    this.#documentBytes += blob.size;
    if (this.#documentBytes > maxAllDocumentBytes)
      throw invalid('the archive has too many manifests and configurations');
    return readFile(blob.path);
  }

  /**
   * Unpacks a layer into a new directory. From a file, never from a stream that someone else feeds: the threads that
   * unpack are few, and must not wait for a client. One at a time in each operation, beside what it receives.
   */
  unpack(blob: AvailableBlob): Promise<StagedLayer> {
    const result = this.#lastUnpack.then(() => this.#unpackNow(blob));
    this.#lastUnpack = result.catch(() => undefined);
    return result;
  }

  /** Starts to unpack a layer before it is known which image it belongs to. Nobody has to wait for the result. */
  unpackEarly(blob: AvailableBlob): Promise<StagedLayer> {
    const unpacking = this.#unpacking.get(blob.digest) ?? this.unpack(blob);
    this.#unpacking.set(blob.digest, unpacking);
    unpacking.catch(() => undefined);
    return unpacking;
  }

  /** The early result, once: the same layer on other ground needs a directory of its own. */
  takeUnpacked(digest: Digest): Promise<StagedLayer> | undefined {
    const early = this.#unpacking.get(digest);
    this.#unpacking.delete(digest);
    return early;
  }

  async discard(): Promise<void> {
    await this.#lastUnpack;
    for (const digest of this.#pins) this.content.unpin(digest);
    if (this.#pins.length > 0) this.content.sweep();
    this.content.removeTree(this.directory);
  }

  newPath(): string {
    return join(this.directory, String(this.#count++));
  }

  #keep(blob: BlobFile): BlobFile {
    const known = this.#blobs.get(blob.digest);
    if (known) {
      this.content.removeTree(blob.path);
      return known;
    }
    this.#blobs.set(blob.digest, blob);
    return blob;
  }

  async #unpackNow(blob: AvailableBlob): Promise<StagedLayer> {
    const path = this.newPath();
    mkdirSync(path);
    chmodSync(path, 0o755);
    try {
      const archive = openSync(blob.path, 'r');
      const result = await this.content.addon.unpack({ kind: 'directory', path }, '/', archive, { whiteouts: true });
      return { path, ...result };
    } catch (error) {
      throw asInvalidLayer(error, blob.digest);
    }
  }
}

const diskErrors = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** What is wrong with the archive is the client's fault; a full disk is not. */
function asInvalidLayer(error: unknown, digest: Digest): Error {
  const native = error as NativeError;
  if (error instanceof GantryError || diskErrors.has(native.code)) return native;
  return invalid(`failed to unpack layer ${digest}: ${native.message}`, error);
}
