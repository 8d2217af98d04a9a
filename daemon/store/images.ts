import type { Database } from './database.js';

/** One row of the images table. `document` is the image's configuration as JSON. */
export interface ImageRow {
  id: string;
  parent_id: string;
  manifest: string;
  document: string;
  /** Milliseconds since the epoch. */
  created: number;
  /** Bytes of file content in all layers. */
  size: number;
  last_tagged: string;
  removed: number;
}

export interface LayerRow {
  chain_id: string;
  diff_id: string;
  size: number;
}

/** A layer of an image, bottom first. */
export interface ImageLayerRow extends LayerRow {
  blob: string;
  blob_size: number;
}

export interface BlobRow {
  digest: string;
  size: number;
  /** Digest of the uncompressed content of a layer; "" for anything else. */
  diff_id: string;
}

/** `reference` is the part after the repository: a tag, or a digest. */
export interface NameRow {
  repository: string;
  reference: string;
  image_id: string;
}

/** Images, their blobs, layers and names. Methods are synchronous, so what a caller does in one turn is atomic. */
export class ImageStore {
  readonly #statements;

  constructor(readonly database: Database) {
    this.#statements = prepareAll(database);
  }

  transaction<Result>(work: () => Result): Result {
    return this.database.transaction(work)();
  }

  // --- images
  insertImage(image: Omit<ImageRow, 'last_tagged' | 'removed'>): void {
    this.#statements.insertImage.run(image);
  }
  image(id: string): ImageRow | undefined {
    return this.#statements.image.get(id);
  }
  /** At most two visible images whose id starts with `sha256:<prefix>`: enough to tell whether it is ambiguous. */
  imagesByPrefix(hexPrefix: string): ImageRow[] {
    return this.#statements.imagesByPrefix.all(`sha256:${hexPrefix}`, `sha256:${hexPrefix}g`);
  }
  visibleImages(): ImageRow[] {
    return this.#statements.visible.all();
  }
  removedImages(): string[] {
    return this.#statements.removed.all().map((row) => row.id);
  }
  children(id: string): string[] {
    return this.#statements.children.all(id).map((row) => row.id);
  }
  setRemoved(id: string, removed: boolean): void {
    this.#statements.setRemoved.run(removed ? 1 : 0, id);
  }
  setParent(id: string, parent: string): void {
    this.#statements.setParent.run(parent, id);
  }
  deleteImage(id: string): void {
    this.#statements.deleteImage.run(id);
  }

  // --- names
  tag(repository: string, tag: string): string | undefined {
    return this.#statements.tag.get(repository, tag)?.image_id;
  }
  digest(repository: string, digest: string): string | undefined {
    return this.#statements.digest.get(repository, digest)?.image_id;
  }
  setTag(repository: string, tag: string, imageId: string, time: string): void {
    this.#statements.setTag.run(repository, tag, imageId);
    this.#statements.setTagged.run(time, imageId);
  }
  deleteTag(repository: string, tag: string): void {
    this.#statements.deleteTag.run(repository, tag);
  }
  setDigest(repository: string, digest: string, imageId: string): void {
    this.#statements.setDigest.run(repository, digest, imageId);
  }
  deleteDigest(repository: string, digest: string): void {
    this.#statements.deleteDigest.run(repository, digest);
  }
  tagsOf(imageId: string): NameRow[] {
    return this.#statements.tagsOf.all(imageId);
  }
  digestsOf(imageId: string): NameRow[] {
    return this.#statements.digestsOf.all(imageId);
  }
  allTags(): NameRow[] {
    return this.#statements.allTags.all();
  }
  allDigests(): NameRow[] {
    return this.#statements.allDigests.all();
  }

  // --- blobs and layers
  blob(digest: string): BlobRow | undefined {
    return this.#statements.blob.get(digest);
  }
  insertBlob(blob: BlobRow): void {
    this.#statements.insertBlob.run(blob);
  }
  deleteBlob(digest: string): void {
    this.#statements.deleteBlob.run(digest);
  }
  layer(chainId: string): LayerRow | undefined {
    return this.#statements.layer.get(chainId);
  }
  insertLayer(layer: LayerRow): void {
    this.#statements.insertLayer.run(layer);
  }
  deleteLayer(chainId: string): void {
    this.#statements.deleteLayer.run(chainId);
  }
  nameBlob(imageId: string, digest: string): void {
    this.#statements.nameBlob.run(imageId, digest);
  }
  nameLayer(imageId: string, position: number, chainId: string, blob: string): void {
    this.#statements.nameLayer.run(imageId, position, chainId, blob);
  }
  /** Bottom first. */
  layersOf(imageId: string): ImageLayerRow[] {
    return this.#statements.layersOf.all(imageId);
  }
  /** The chain ids of its layers, bottom first. */
  chainOf(imageId: string): string[] {
    return this.#statements.chainOf.all(imageId);
  }
  /** How many visible images stand on each layer, with the layer's size. */
  layerUse(): { chain_id: string; image_id: string; size: number }[] {
    return this.#statements.layerUse.all();
  }
  unnamedBlobs(): string[] {
    return this.#statements.unnamedBlobs.all().map((row) => row.digest);
  }
  /** Topmost first, as far as that can be told: the order in which they are reported as deleted. */
  unnamedLayers(): string[] {
    return this.#statements.unnamedLayers.all().map((row) => row.chain_id);
  }
  allBlobs(): string[] {
    return this.#statements.allBlobs.all().map((row) => row.digest);
  }
  allLayers(): LayerRow[] {
    return this.#statements.allLayers.all();
  }

  // --- what may not be on the disk yet
  markUnsynced(id: string, boot: string): void {
    this.#statements.markUnsynced.run(id, boot);
  }
  unsynced(boot: string): string[] {
    return this.#statements.unsynced.all(boot).map((row) => row.id);
  }
  unsyncedOfOtherBoots(boot: string): string[] {
    return this.#statements.unsyncedOfOtherBoots.all(boot).map((row) => row.id);
  }
  clearUnsynced(ids: readonly string[]): void {
    this.transaction(() => {
      for (const id of ids) this.#statements.clearUnsynced.run(id);
    });
  }
  /** Forgets the steps of builds that made this blob or layer. */
  deleteStepsWith(digest: string): void {
    this.#statements.deleteStepsWith.run(digest, digest);
  }
  /** Images, also removed ones, that have this blob or layer. */
  imagesWith(digest: string): string[] {
    return this.#statements.imagesWith.all(digest, digest, digest).map((row) => row.id);
  }
}

function prepareAll(database: Database) {
  const names = (table: string, column: string, where: string) =>
    `SELECT repository, ${column} AS reference, image_id FROM ${table} ${where} ORDER BY repository, ${column}`;
  return {
    insertImage: database.prepare<Omit<ImageRow, 'last_tagged' | 'removed'>>(
      `INSERT INTO images (id, parent_id, manifest, document, created, size)
       VALUES (@id, @parent_id, @manifest, @document, @created, @size)`,
    ),
    image: database.prepare<[string], ImageRow>('SELECT * FROM images WHERE id = ?'),
    imagesByPrefix: database.prepare<[string, string], ImageRow>(
      'SELECT * FROM images WHERE id >= ? AND id < ? AND removed = 0 LIMIT 2',
    ),
    visible: database.prepare<[], ImageRow>('SELECT * FROM images WHERE removed = 0 ORDER BY created DESC, rowid DESC'),
    removed: database.prepare<[], { id: string }>('SELECT id FROM images WHERE removed = 1'),
    children: database.prepare<[string], { id: string }>('SELECT id FROM images WHERE parent_id = ? AND removed = 0'),
    setRemoved: database.prepare<[number, string]>('UPDATE images SET removed = ? WHERE id = ?'),
    setParent: database.prepare<[string, string]>('UPDATE images SET parent_id = ? WHERE id = ?'),
    deleteImage: database.prepare<[string]>('DELETE FROM images WHERE id = ?'),
    tag: database.prepare<[string, string], NameRow>(
      'SELECT image_id FROM image_tags WHERE repository = ? AND tag = ?',
    ),
    digest: database.prepare<[string, string], NameRow>(
      'SELECT image_id FROM image_digests WHERE repository = ? AND digest = ?',
    ),
    setTag: database.prepare<[string, string, string]>(
      'REPLACE INTO image_tags (repository, tag, image_id) VALUES (?, ?, ?)',
    ),
    setTagged: database.prepare<[string, string]>('UPDATE images SET last_tagged = ? WHERE id = ?'),
    deleteTag: database.prepare<[string, string]>('DELETE FROM image_tags WHERE repository = ? AND tag = ?'),
    setDigest: database.prepare<[string, string, string]>(
      'REPLACE INTO image_digests (repository, digest, image_id) VALUES (?, ?, ?)',
    ),
    deleteDigest: database.prepare<[string, string]>('DELETE FROM image_digests WHERE repository = ? AND digest = ?'),
    tagsOf: database.prepare<[string], NameRow>(names('image_tags', 'tag', 'WHERE image_id = ?')),
    digestsOf: database.prepare<[string], NameRow>(names('image_digests', 'digest', 'WHERE image_id = ?')),
    allTags: database.prepare<[], NameRow>(names('image_tags', 'tag', '')),
    allDigests: database.prepare<[], NameRow>(names('image_digests', 'digest', '')),
    blob: database.prepare<[string], BlobRow>('SELECT * FROM blobs WHERE digest = ?'),
    insertBlob: database.prepare<BlobRow>(
      'INSERT INTO blobs (digest, size, diff_id) VALUES (@digest, @size, @diff_id)',
    ),
    deleteBlob: database.prepare<[string]>('DELETE FROM blobs WHERE digest = ?'),
    layer: database.prepare<[string], LayerRow>('SELECT * FROM layers WHERE chain_id = ?'),
    insertLayer: database.prepare<LayerRow>(
      'INSERT INTO layers (chain_id, diff_id, size) VALUES (@chain_id, @diff_id, @size)',
    ),
    deleteLayer: database.prepare<[string]>('DELETE FROM layers WHERE chain_id = ?'),
    nameBlob: database.prepare<[string, string]>('INSERT OR IGNORE INTO image_blobs (image_id, digest) VALUES (?, ?)'),
    nameLayer: database.prepare<[string, number, string, string]>(
      'INSERT INTO image_layers (image_id, position, chain_id, blob) VALUES (?, ?, ?, ?)',
    ),
    layersOf: database.prepare<[string], ImageLayerRow>(
      `SELECT layers.*, image_layers.blob, blobs.size AS blob_size FROM image_layers
       JOIN layers USING (chain_id) JOIN blobs ON blobs.digest = image_layers.blob
       WHERE image_id = ? ORDER BY position`,
    ),
    chainOf: database
      .prepare<[string], string>('SELECT chain_id FROM image_layers WHERE image_id = ? ORDER BY position')
      .pluck(),
    layerUse: database.prepare<[], { chain_id: string; image_id: string; size: number }>(
      `SELECT chain_id, image_id, layers.size FROM image_layers JOIN layers USING (chain_id)
       JOIN images ON images.id = image_layers.image_id WHERE images.removed = 0`,
    ),
    unnamedBlobs: database.prepare<[], { digest: string }>(
      `SELECT digest FROM blobs
       WHERE NOT EXISTS (SELECT 1 FROM image_blobs WHERE image_blobs.digest = blobs.digest)
         AND NOT EXISTS (SELECT 1 FROM build_steps WHERE build_steps.blob = blobs.digest)`,
    ),
    unnamedLayers: database.prepare<[], { chain_id: string }>(
      `SELECT chain_id FROM layers
       WHERE NOT EXISTS (SELECT 1 FROM image_layers WHERE image_layers.chain_id = layers.chain_id)
         AND NOT EXISTS (SELECT 1 FROM build_steps WHERE build_steps.chain_id = layers.chain_id) ORDER BY rowid DESC`,
    ),
    allBlobs: database.prepare<[], { digest: string }>('SELECT digest FROM blobs'),
    allLayers: database.prepare<[], LayerRow>('SELECT * FROM layers'),
    markUnsynced: database.prepare<[string, string]>('REPLACE INTO unsynced_content (id, boot) VALUES (?, ?)'),
    unsynced: database.prepare<[string], { id: string }>('SELECT id FROM unsynced_content WHERE boot = ?'),
    unsyncedOfOtherBoots: database.prepare<[string], { id: string }>('SELECT id FROM unsynced_content WHERE boot <> ?'),
    clearUnsynced: database.prepare<[string]>('DELETE FROM unsynced_content WHERE id = ?'),
    deleteStepsWith: database.prepare<[string, string]>('DELETE FROM build_steps WHERE chain_id = ? OR blob = ?'),
    imagesWith: database.prepare<[string, string, string], { id: string }>(
      `SELECT image_id AS id FROM image_blobs WHERE digest = ?
       UNION SELECT image_id FROM image_layers WHERE chain_id = ? OR blob = ?`,
    ),
  };
}
