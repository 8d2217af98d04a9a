import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, linkSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError, invalid } from '../errors.js';
import type { BlobOptions, ImageArchive, NativeError, ReceivedBlob } from '../runtime/addon.js';
import type { BlobFile } from './blob-file.js';
import { detectCompression, signatureLength, type Compression } from './compression.js';
import { watchConsumption, type OnConsumed } from './consumption.js';
import type { Content } from './content.js';
import type { Digest } from './digest.js';
import { feedPipe, type FeedOptions } from './feed.js';
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
  readonly #receiving = new Set<Promise<unknown>>();
  #lastUnpack: Promise<unknown> = Promise.resolve();
  #count = 0;
  #documentBytes = 0;

  constructor(readonly content: Content) {
    this.directory = content.directories.newTemporary();
  }

  /**
   * Takes a blob in. A second one with the same content is dropped. A layer is unpacked while it arrives, so that
   * nothing of it is read or decompressed twice; see `takeUnpacked`.
   */
  receive(source: AsyncIterable<Uint8Array>, options?: FeedOptions): Promise<BlobFile> {
    return this.receiveFrom((input) => feedPipe(this.content.addon, source, input, options));
  }

  /** The same from what writes to a pipe by itself. */
  receiveFrom(feed: (consume: (input: number) => Promise<ReceivedBlob>) => Promise<ReceivedBlob>): Promise<BlobFile> {
    const { addon } = this.content;
    const received = this.#receive((path, options) => feed((input) => addon.receiveBlob(input, path, options)));
    return received.catch((error: unknown) => {
      throw asInvalidBlob(error);
    });
  }

  /** The same from what writes to a pipe by itself, for content that is unpacked already. */
  async receivePacked(
    feed: (consume: (input: number) => Promise<ReceivedBlob>) => Promise<ReceivedBlob>,
  ): Promise<BlobFile> {
    const path = this.newPath();
    const { addon, layerLimits } = this.content;
    const receiving = feed((input) => addon.receiveBlob(input, path, { maxBytes: layerLimits.maxBytes }));
    const done = receiving.catch(() => undefined).finally(() => this.#receiving.delete(done));
    this.#receiving.add(done);
    const { digest, size, compression, diffId, start } = await receiving;
    return this.#keep({ path, digest, size, compression, diffId, start });
  }

  /** The same from the current member of an archive, whose own damage comes as it is. */
  receiveMember(archive: ImageArchive, onConsumed?: OnConsumed): Promise<BlobFile> {
    const { addon } = this.content;
    return this.#receive((path, options) =>
      watchConsumption(addon, onConsumed, (counter) => addon.receiveMember(archive, path, { ...options, ...counter })),
    );
  }

  /**
   * Shares a blob that another operation has brought in and not yet published. Who comes first also gets the layer that
   * was unpacked from it.
   */
  adopt(blob: BlobFile, owner: Staging): BlobFile {
    const path = this.newPath();
    linkSync(blob.path, path);
    const unpacked = this.#unpacking.has(blob.digest) ? undefined : owner.takeUnpacked(blob.digest);
    if (unpacked) {
      const moved = unpacked.then((layer) => {
        const place = this.newLayerPath();
        renameSync(layer.path, place);
        return { ...layer, path: place };
      });
      // It only matters if an image wants the layer.
      moved.catch(() => undefined);
      this.#unpacking.set(blob.digest, moved);
    }
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
  async layerCompression(blob: Omit<AvailableBlob, 'size'>): Promise<Compression> {
    if (blob.digest === blob.diffId) return 'none';
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
  unpack(blob: AvailableBlob, onConsumed?: OnConsumed): Promise<StagedLayer> {
    const result = this.#lastUnpack.then(() => this.#unpackNow(blob, onConsumed));
    this.#lastUnpack = result.catch(() => undefined);
    return result;
  }

  /**
   * Starts to unpack a layer before it is known which image it belongs to. One that came through `receive` is unpacked
   * already, unless it did not look like a layer. Nobody has to wait for the result.
   */
  unpackEarly(blob: AvailableBlob, onConsumed?: OnConsumed): Promise<StagedLayer> {
    const unpacking = this.#unpacking.get(blob.digest) ?? this.unpack(blob, onConsumed);
    this.#unpacking.set(blob.digest, unpacking);
    unpacking.catch(() => undefined);
    return unpacking;
  }

  /** Whether the blob looked like a layer and was, or is being, unpacked. */
  isUnpacked(digest: Digest): boolean {
    return this.#unpacking.has(digest);
  }

  /** The early result, once: the same layer on other ground needs a directory of its own. */
  takeUnpacked(digest: Digest): Promise<StagedLayer> | undefined {
    const early = this.#unpacking.get(digest);
    this.#unpacking.delete(digest);
    return early;
  }

  async discard(): Promise<void> {
    await Promise.allSettled(this.#receiving);
    await this.#lastUnpack;
    for (const digest of this.#pins) this.content.unpin(digest);
    if (this.#pins.length > 0) this.content.sweep();
    if (this.#count > 0) this.content.removeTree(this.directory);
  }

  /** ext4 chooses the place of a layer by the hash of its name, so that must not be the same each time. */
  newLayerPath(): string {
    return `${this.newPath()}-${randomBytes(8).toString('hex')}`;
  }

  /** A path for something new; nothing is created but, with the first, the directory that all are in. */
  newPath(): string {
    if (this.#count === 0) mkdirSync(this.directory, { mode: 0o700 });
    return join(this.directory, String(this.#count++));
  }

  #receive(store: (path: string, options: BlobOptions) => Promise<ReceivedBlob>): Promise<BlobFile> {
    const receiving = this.#receiveNow(store).finally(() => this.#receiving.delete(receiving));
    this.#receiving.add(receiving);
    return receiving;
  }

  async #receiveNow(store: (path: string, options: BlobOptions) => Promise<ReceivedBlob>): Promise<BlobFile> {
    const path = this.newPath();
    const layerDirectory = this.newLayerPath();
    try {
      const received = await store(path, {
        layerDirectory,
        ...this.content.layerLimits,
        idMap: this.content.mapping,
      });
      const { digest, size, compression, diffId, start } = received;
      this.#keepLayer(received, layerDirectory);
      return this.#keep({ path, digest, size, compression, diffId, start });
    } catch (error) {
      // An operation may try again, and would pile up what did not work.
      this.content.removeTree(path);
      this.content.removeTree(layerDirectory);
      throw asBomb(error);
    }
  }

  #keepLayer({ digest, layer, layerError }: ReceivedBlob, path: string): void {
    const isWanted = layer && !this.#unpacking.has(digest);
    if (layer && isWanted) this.#unpacking.set(digest, Promise.resolve({ path, ...layer }));
    else if (layer || layerError) this.content.removeTree(path);
    if (!layerError) return;
    const failed = Promise.reject<StagedLayer>(asInvalidLayer(layerError, digest));
    // It only matters if an image wants the blob as a layer.
    failed.catch(() => undefined);
    this.#unpacking.set(digest, failed);
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

  async #unpackNow(blob: AvailableBlob, onConsumed: OnConsumed | undefined): Promise<StagedLayer> {
    const path = this.newLayerPath();
    mkdirSync(path);
    chmodSync(path, 0o755);
    const { addon, mapping } = this.content;
    chownSync(path, mapping.root.uid, mapping.root.gid);
    try {
      const archive = openSync(blob.path, 'r');
      const { maxBytes, maxEntries } = this.content.layerLimits;
      const options = { whiteouts: true, maxBytes, maxEntries, idMap: mapping };
      const result = await watchConsumption(addon, onConsumed, (counter) =>
        addon.unpack({ kind: 'directory', path }, '/', archive, { ...options, ...counter }),
      );
      return { path, ...result };
    } catch (error) {
      throw asInvalidLayer(error, blob.digest);
    }
  }
}

function asBomb(error: unknown): unknown {
  const { code, message } = error as Partial<NativeError>;
  return code === 'EFBIG' ? invalid(`layer is too large: ${message}`, error) : error;
}

/** What native code says without an errno is about the content. */
function asInvalidBlob(error: unknown): unknown {
  const { code, operation, message } = error as Partial<NativeError>;
  return operation !== undefined && code === '' ? invalid(`layer is not valid: ${message}`, error) : error;
}

const diskErrors = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** What is wrong with the archive is the client's fault; a full disk is not. */
function asInvalidLayer(error: unknown, digest: Digest): Error {
  const native = error as NativeError;
  if (error instanceof GantryError || diskErrors.has(native.code)) return native;
  return invalid(`failed to unpack layer ${digest}: ${native.message}`, error);
}
