import { readdirSync, renameSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { internal, invalid } from '../errors.js';
import type { Addon } from '../runtime/addon.js';
import type { ImageStore } from '../store/images.js';
import type { IdMapping } from '../userns/id-mapping.js';
import { hexOf, type Digest } from './digest.js';
import type { ImageDirectories } from './directories.js';
import { Durability } from './durability.js';
import { InitLayers } from './init-layers.js';
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

/** Inodes are finite as well; the largest layers in use have a few hundred thousand entries. */
export const maxLayerEntries = 4_000_000;

/**
 * The blobs and unpacked layers on disk, kept in step with their rows: a file is moved into place or out of it in the
 * same turn of the event loop that changes its row, so no reader sees one without the other. A crash in between leaves
 * files without rows, which `collectGarbage` removes at the next start.
 */
export class Content {
  readonly #pins = new Map<Digest, number>();
  readonly durability: Durability;
  readonly initLayers: InitLayers;
  readonly #background = new Set<Promise<void>>();

  constructor(
    readonly store: ImageStore,
    readonly directories: ImageDirectories,
    readonly addon: Addon,
    /** Layers are unpacked with the ids that their owners have on the host. */
    readonly mapping: IdMapping,
    readonly layerLimits: LayerLimits,
  ) {
    directories.create();
    this.durability = new Durability(store, addon, directories.blobs);
    this.initLayers = new InitLayers(this);
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
    this.initLayers.sweep();
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

  /** Deletes a temporary path in the background, after what is being answered now; what fails is collected at the next start. */
  removeTree(path: string): void {
    this.inBackground(setImmediate().then(() => this.addon.removeTree(path)));
  }

  /** Lets something go on that nobody waits for, and that is made good later if it fails. */
  inBackground(work: Promise<void>): void {
    const quiet = work.catch(() => undefined).finally(() => this.#background.delete(quiet));
    this.#background.add(quiet);
  }

  /** Resolves when everything that was begun in the background so far is done. */
  async settled(): Promise<void> {
    await Promise.all(this.#background);
  }

  /**
   * Brings disk and database together: removes images that a power loss or a hand has taken something from, and what lies
   * on disk without a row. Only at start, before anything else runs.
   *
   * @returns ids of the images that had to go; they can be pulled or loaded again
   */
  async collectGarbage(): Promise<{ lost: Digest[] }> {
    const { blobs, layers, temporary } = this.directories;
    const found = { blobs: new Set(readdirSync(blobs)), layers: new Set(await readdir(layers)) };
    const lost = this.#dropImagesWith([
      ...this.durability.doubtful(),
      ...this.store.allBlobs().filter((digest) => !found.blobs.has(hexOf(digest))),
      ...this.store
        .allLayers()
        .map((layer) => layer.chain_id)
        .filter((chainId) => !found.layers.has(hexOf(chainId))),
    ]);
    this.sweep();
    const knownBlobs = new Set(this.store.allBlobs().map(hexOf));
    const knownLayers = new Set(this.store.allLayers().map((layer) => hexOf(layer.chain_id)));
    for (const name of found.blobs) if (!knownBlobs.has(name)) this.remove(join(blobs, name));
    for (const name of found.layers) if (!knownLayers.has(name)) this.remove(join(layers, name));
    for (const name of await readdir(temporary)) this.removeTree(join(temporary, name));
    this.inBackground(this.durability.sync());
    return { lost };
  }

  /** Removes the images that have one of these blobs or layers, with their names, also where containers stand on them. */
  #dropImagesWith(digests: readonly Digest[]): Digest[] {
    const lost = new Set(digests.flatMap((digest) => this.store.imagesWith(digest)));
    this.store.transaction(() => {
      for (const id of lost) {
        for (const { repository, reference } of this.store.tagsOf(id)) this.store.deleteTag(repository, reference);
        for (const { repository, reference } of this.store.digestsOf(id))
          this.store.deleteDigest(repository, reference);
        this.store.deleteImage(id);
      }
      for (const digest of digests) this.store.deleteStepsWith(digest);
      this.store.clearUnsynced(this.durability.doubtful());
    });
    return [...lost];
  }

  blobSize(digest: Digest): number {
    return this.store.blob(digest)?.size ?? statSync(this.directories.blob(digest)).size;
  }
}
