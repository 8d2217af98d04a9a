import { readdirSync, renameSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { internal, invalid } from '../errors.js';
import type { Addon } from '../runtime/addon.js';
import type { ImageStore } from '../store/images.js';
import { hexOf, type Digest } from './digest.js';
import type { ImageDirectories } from './directories.js';
import { maxDocumentBytes } from './json-document.js';

/** What was removed because nothing names it any more. */
export interface Swept {
  layers: Digest[];
  bytes: number;
}

/** What a single layer may hold at most, so that a small archive cannot fill the disk. */
export interface LayerLimits {
  maxBytes: number;
  maxEntries: number;
}

const defaultLimits: LayerLimits = { maxBytes: 64 * 1024 ** 3, maxEntries: 4_000_000 };

/**
 * The blobs and unpacked layers on disk, kept in step with their rows: a file is moved into place or out of it in the
 * same turn of the event loop that changes its row, so no reader sees one without the other. A crash in between leaves
 * files without rows, which `collectGarbage` removes at the next start.
 */
export class Content {
  readonly #pins = new Map<Digest, number>();
  readonly #removals = new Set<Promise<void>>();

  constructor(
    readonly store: ImageStore,
    readonly directories: ImageDirectories,
    readonly addon: Addon,
    readonly layerLimits: LayerLimits = defaultLimits,
  ) {
    directories.create();
  }

  /** Keeps a blob or layer from being swept while an operation counts on it. */
  pin(digest: Digest): void {
    this.#pins.set(digest, (this.#pins.get(digest) ?? 0) + 1);
  }

  unpin(digest: Digest): void {
    const count = (this.#pins.get(digest) ?? 0) - 1;
    if (count > 0) this.#pins.set(digest, count);
    else this.#pins.delete(digest);
  }

  /** Moves a finished file or directory to its place, over anything that lies there without a row. */
  place(from: string, to: string): void {
    try {
      renameSync(from, to);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOTDIR' && code !== 'EISDIR') throw error;
      this.remove(to);
      renameSync(from, to);
    }
  }

  /** A small document from the store. */
  async readDocument(digest: Digest): Promise<Buffer> {
    const blob = this.store.blob(digest);
    if (!blob) throw internal(`blob ${digest} is missing`);
    if (blob.size > maxDocumentBytes) throw invalid(`${digest} is too large for a JSON document (${blob.size} bytes)`);
    return readFile(this.directories.blob(digest));
  }

  /** Removes the rows and files that no image names and no operation has pinned. Synchronous, but for the deletion itself. */
  sweep(): Swept {
    const swept: Swept = { layers: [], bytes: 0 };
    const isFree = (digest: Digest): boolean => !this.#pins.has(digest);
    const blobs = this.store.unnamedBlobs().filter(isFree);
    swept.layers = this.store.unnamedLayers().filter(isFree);
    this.store.transaction(() => {
      for (const chainId of swept.layers) {
        swept.bytes += this.store.layer(chainId)?.size ?? 0;
        this.store.deleteLayer(chainId);
      }
      for (const digest of blobs) this.store.deleteBlob(digest);
    });
    for (const chainId of swept.layers) this.remove(this.directories.layer(chainId));
    for (const digest of blobs) this.remove(this.directories.blob(digest));
    return swept;
  }

  /** Takes a path out of sight at once and deletes it in the background. */
  remove(path: string): void {
    const trash = this.directories.newTemporary();
    try {
      renameSync(path, trash);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    this.removeTree(trash);
  }

  /** Deletes a temporary path in the background; what fails is collected at the next start. */
  removeTree(path: string): void {
    const removal = this.addon
      .removeTree(path)
      .catch(() => undefined)
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  /** Resolves when every deletion begun so far is done. */
  async settled(): Promise<void> {
    await Promise.all(this.#removals);
  }

  /**
   * Removes what lies on disk without a row, and rows whose files have gone. Only at start, before anything else runs.
   *
   * @returns ids of layers and blobs that rows name but that are not on disk
   */
  async collectGarbage(): Promise<{ missing: Digest[] }> {
    this.sweep();
    const { blobs, layers, temporary } = this.directories;
    const knownBlobs = new Set(this.store.allBlobs().map(hexOf));
    const knownLayers = new Set(this.store.allLayers().map((layer) => hexOf(layer.chain_id)));
    const found = { blobs: new Set(readdirSync(blobs)), layers: new Set(await readdir(layers)) };
    for (const name of found.blobs) if (!knownBlobs.has(name)) this.remove(join(blobs, name));
    for (const name of found.layers) if (!knownLayers.has(name)) this.remove(join(layers, name));
    for (const name of await readdir(temporary)) this.removeTree(join(temporary, name));
    const missing = [
      ...[...knownBlobs].filter((hex) => !found.blobs.has(hex)),
      ...[...knownLayers].filter((hex) => !found.layers.has(hex)),
    ];
    return { missing: missing.map((hex) => `sha256:${hex}`) };
  }

  blobSize(digest: Digest): number {
    return this.store.blob(digest)?.size ?? statSync(this.directories.blob(digest)).size;
  }
}
