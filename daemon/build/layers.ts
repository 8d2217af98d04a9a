import { chownSync, mkdirSync, readdirSync } from 'node:fs';
import type { Content } from '../images/content.js';
import { packLayerInPlace } from '../images/created-image.js';
import { digestOf, type Digest } from '../images/digest.js';
import { publishLayer } from '../images/layer-publication.js';
import type { ManifestLayer } from '../images/manifest.js';
import { Staging, type AvailableBlob } from '../images/staging.js';
import type { Root } from '../runtime/addon.js';
import type { ImageLayerRow } from '../store/images.js';

/** A layer of a stage. Its files can be used at once; what it is called becomes known later. */
export interface BuildLayer {
  /** Where it lies unpacked, as of now: it moves once, when it is published. */
  directory: string;
  /** Its digest and size. Rejects when it cannot be packed. */
  described: Promise<DescribedLayer>;
  /** Of it and all below it, once it is in the store. */
  chainId: Digest | undefined;
}

export interface DescribedLayer extends ManifestLayer {
  diffId: Digest;
}

/** A new, writable layer. */
export interface UpperDirectory {
  upper: string;
  work: string;
}

/** The layers of one build: those it makes, and those it finds, which stay until it ends. */
export class BuildLayers {
  readonly staging: Staging;
  readonly #content: Content;
  #empty: string | undefined;

  /** @param latest seconds since the epoch that no file of a new layer may be younger than */
  constructor(
    content: Content,
    readonly latest: number | undefined,
  ) {
    this.#content = content;
    this.staging = new Staging(content);
  }

  newUpper(): UpperDirectory {
    const upper = this.staging.newLayerPath();
    const work = `${upper}.work`;
    const { uid, gid } = this.#content.mapping.root;
    for (const path of [upper, work]) {
      mkdirSync(path, { mode: 0o755 });
      if (this.#content.mapping.shifts) chownSync(path, uid, gid);
    }
    return { upper, work };
  }

  /** The directories of a stage's root, topmost first; an empty one stands for none. */
  directories(layers: readonly BuildLayer[]): string[] {
    if (layers.length > 0) return layers.map(({ directory }) => directory).reverse();
    this.#empty ??= this.newUpper().upper;
    return [this.#empty];
  }

  /** What a stage's root looks like, for reading. */
  root(layers: readonly BuildLayer[]): Root {
    return { kind: 'overlay', lower: this.directories(layers), binds: [] };
  }

  /** A writable view, whose changes go into a new layer. */
  writableRoot(layers: readonly BuildLayer[], { upper, work }: UpperDirectory): Root {
    const owner = this.#content.mapping.root;
    return { kind: 'overlay', lower: this.directories(layers), upper, work, binds: [], owner };
  }

  /** What was written into an upper directory as a layer; nothing when nothing was. Packing goes on in the background. */
  async finish({ upper }: UpperDirectory): Promise<BuildLayer | undefined> {
    if (readdirSync(upper).length === 0) return undefined;
    if (this.latest !== undefined) await this.#content.addon.clampTimes(upper, this.latest);
    const packing = packLayerInPlace(
      this.staging,
      { kind: 'directory', path: upper },
      { as: '', whiteouts: true, idMap: this.#content.mapping },
    );
    return new MadeLayer(upper, packing, this.#content.addon.diskUsage(upper));
  }

  /** Gives a layer that was made here its place in the store. Nobody may be about to use its directory by name. */
  async publish(layer: BuildLayer, ground: Digest, keep: (published: PublishedLayer) => void): Promise<void> {
    if (!(layer instanceof MadeLayer) || layer.chainId !== undefined) return;
    const [blob, bytes] = await Promise.all([layer.blob, layer.bytes]);
    const chainId = chainIdOn(ground, blob.diffId);
    publishLayer(this.staging, { chainId, blob, directory: layer.directory, bytes }, () =>
      keep({ chainId, blob: blob.digest, size: bytes }),
    );
    layer.directory = this.#content.directories.layer(chainId);
    layer.chainId = chainId;
  }

  /** A layer of the store, kept for as long as the build; undefined when it has gone. */
  stored(chainId: Digest, blob: Digest): BuildLayer | undefined {
    const { store } = this.#content;
    const row = store.layer(chainId);
    const blobRow = store.blob(blob);
    return row && blobRow && this.hold({ ...row, blob, blob_size: blobRow.size });
  }

  /** A layer that has just been found in the store, kept for as long as the build. */
  hold({ chain_id: chainId, diff_id: diffId, blob, blob_size: size }: FoundLayer): BuildLayer {
    this.staging.pin(chainId);
    this.staging.pin(blob);
    const directory = this.#content.directories.layer(chainId);
    return { directory, described: this.#describe(blob, size, diffId), chainId };
  }

  /** The files of a stored layer once more, as a layer of their own: each lies unpacked for the ground that it stands on. */
  async moved(layer: BuildLayer): Promise<BuildLayer> {
    const described = await layer.described;
    const blob = this.staging.find(described.digest)!;
    const { path, bytes } = await this.staging.unpack(blob);
    return new MadeLayer(path, Promise.resolve(blob), Promise.resolve(bytes), Promise.resolve(described));
  }

  /** The layers of an image, bottom first. */
  ofImage(imageId: Digest): BuildLayer[] {
    return this.#content.store.layersOf(imageId).map((row) => this.hold(row));
  }

  async #describe(digest: Digest, size: number, diffId: Digest): Promise<DescribedLayer> {
    const path = this.#content.directories.blob(digest);
    const compression = await this.staging.layerCompression({ path, digest, diffId });
    return { digest, size, diffId, compression };
  }

  discard(): Promise<void> {
    return this.staging.discard();
  }
}

type FoundLayer = Pick<ImageLayerRow, 'chain_id' | 'diff_id' | 'blob' | 'blob_size'>;

export interface PublishedLayer {
  chainId: Digest;
  blob: Digest;
  size: number;
}

class MadeLayer implements BuildLayer {
  chainId: Digest | undefined;

  constructor(
    public directory: string,
    readonly blob: Promise<AvailableBlob>,
    readonly bytes: Promise<number>,
    readonly described: Promise<DescribedLayer> = blob.then(({ digest, size, diffId }) => ({
      digest,
      size,
      diffId,
      compression: 'none' as const,
    })),
  ) {
    // Who needs it is told; until then it is nobody's.
    for (const promise of [this.described, bytes]) promise.catch(() => undefined);
  }
}

/** The chain id of a layer on what lies below it, "" for nothing. */
export const chainIdOn = (ground: Digest, diffId: Digest): Digest =>
  ground === '' ? diffId : digestOf(`${ground} ${diffId}`);

/** The chain id of a whole stack, bottom first; "" for none. Waits for what is being packed. */
export async function chainIdOf(layers: readonly BuildLayer[]): Promise<Digest> {
  const known = layers.findLastIndex((layer) => layer.chainId !== undefined);
  let chainId = layers[known]?.chainId ?? '';
  for (const { described } of layers.slice(known + 1)) chainId = chainIdOn(chainId, (await described).diffId);
  return chainId;
}
