import { invalid } from '../errors.js';
import { chainIds, digestOf, type Digest } from './digest.js';
import { createdTime, diffIdsOf, type ImageDocument } from './image-document.js';
import type { Staging, StagedLayer } from './staging.js';

/** An image whose blobs are all in a staging area or in the store. */
export interface ImagePlan {
  document: ImageDocument;
  /** The configuration's own bytes; their digest is the image's id. */
  config: Uint8Array;
  manifest: Uint8Array;
  /** Blobs of the layers, bottom first, as many as the document has diff ids. */
  layerBlobs: Digest[];
  parentId?: Digest;
}

/** A plan whose layers are unpacked, so that publishing it is a matter of renames and rows. */
interface ReadyImage extends ImagePlan {
  id: Digest;
  chain: Digest[];
}

/** Turns staged content into images: all of an operation's, or none. */
export class Publication {
  readonly #layers = new Map<Digest, StagedLayer>();
  readonly #images: ReadyImage[] = [];

  constructor(readonly staging: Staging) {}

  /**
   * Checks an image against its blobs and unpacks the layers that are not there yet.
   *
   * @throws GantryError invalid when a layer is missing or is not what the configuration says
   */
  async prepare(plan: ImagePlan): Promise<Digest> {
    const id = digestOf(plan.config);
    if (this.#images.some((image) => image.id === id)) return id;
    const diffIds = diffIdsOf(plan.document);
    const chain = chainIds(diffIds);
    if (plan.layerBlobs.length !== diffIds.length) {
      throw invalid(`image ${id} has ${plan.layerBlobs.length} layers, its configuration ${diffIds.length}`);
    }
    // One that is in the store has been checked; what it is made of has to stay, that is all.
    const isStored = this.staging.content.store.image(id) !== undefined;
    for (const [index, blob] of plan.layerBlobs.entries()) {
      const chainId = chain[index] ?? '';
      if (isStored) [blob, chainId].forEach((digest) => this.staging.pin(digest));
      else await this.#prepareLayer(blob, diffIds[index] ?? '', chainId);
    }
    this.#images.push({ ...plan, id, chain });
    return id;
  }

  /** Moves everything into place in one transaction. Synchronous: nothing can come between a file and its row. */
  publish(andThen?: () => void): void {
    const { store, durability } = this.staging.content;
    store.transaction(() => {
      for (const image of this.#images) this.#publishImage(image);
      andThen?.();
    });
    this.staging.content.inBackground(durability.sync());
  }

  async #prepareLayer(digest: Digest, diffId: Digest, chainId: Digest): Promise<void> {
    const { store } = this.staging.content;
    const blob = this.staging.find(digest);
    if (!blob) throw invalid(`layer ${digest} is missing`);
    if (blob.diffId !== diffId) {
      throw invalid(
        `layer ${digest} does not match the image configuration: its content is ${blob.diffId || 'unreadable'}, not ${diffId}`,
      );
    }
    this.staging.hold(digest);
    if (store.layer(chainId)) return this.staging.pin(chainId);
    if (this.#layers.has(chainId)) return;
    this.#layers.set(chainId, await (this.staging.takeUnpacked(digest) ?? this.staging.unpack(blob)));
  }

  #publishImage(image: ReadyImage): void {
    const { store } = this.staging.content;
    const existing = store.image(image.id);
    if (existing) {
      // A removed one that containers still stand on comes back as it was.
      if (existing.removed) store.setRemoved(image.id, false);
      return;
    }
    const manifest = this.staging.addDocument(image.manifest);
    const config = this.staging.addDocument(image.config);
    for (const [position, chainId] of image.chain.entries()) {
      this.#publishBlob(image.layerBlobs[position] ?? '');
      this.#publishLayer(chainId, diffIdsOf(image.document)[position] ?? '');
    }
    this.#publishBlob(manifest.digest);
    this.#publishBlob(config.digest);
    store.insertImage({
      id: image.id,
      parent_id: image.parentId ?? '',
      manifest: manifest.digest,
      document: Buffer.from(image.config).toString(),
      created: createdTime(image.document),
      size: image.chain.reduce((sum, chainId) => sum + (store.layer(chainId)?.size ?? 0), 0),
    });
    for (const digest of [manifest.digest, config.digest, ...image.layerBlobs]) store.nameBlob(image.id, digest);
    for (const [position, chainId] of image.chain.entries()) {
      store.nameLayer(image.id, position, chainId, image.layerBlobs[position] ?? '');
    }
  }

  #publishBlob(digest: Digest): void {
    const { store, directories } = this.staging.content;
    if (store.blob(digest)) return;
    const blob = this.staging.staged(digest);
    if (!blob) throw invalid(`blob ${digest} is missing`);
    this.staging.content.place(blob.path, directories.blob(digest));
    this.staging.content.durability.mark(digest);
    store.insertBlob({ digest, size: blob.size, diff_id: blob.diffId });
  }

  #publishLayer(chainId: Digest, diffId: Digest): void {
    const { store, directories } = this.staging.content;
    if (store.layer(chainId)) return;
    const layer = this.#layers.get(chainId);
    if (!layer) throw invalid(`layer ${chainId} is missing`);
    this.staging.content.place(layer.path, directories.layer(chainId));
    this.staging.content.durability.mark(chainId);
    store.insertLayer({ chain_id: chainId, diff_id: diffId, size: layer.bytes });
  }
}
