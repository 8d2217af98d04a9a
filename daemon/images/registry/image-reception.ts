import type { BlobSourceStore } from '../../store/blob-sources.js';
import type { OnConsumed } from '../consumption.js';
import type { Content } from '../content.js';
import { chainIds, shortId, type Digest } from '../digest.js';
import { diffIdsOf, parseImageDocument, type ImageDocument } from '../image-document.js';
import { GantryError, invalid } from '../../errors.js';
import type { Descriptor } from '../manifest.js';
import { Publication } from '../publication.js';
import { Staging } from '../staging.js';
import type { Tags } from '../tags.js';
import { downloadDocument } from './blob-download.js';
import type { LayerTransfers } from './layer-transfers.js';
import type { ImageManifest } from './platform-selection.js';
import { layerStatus, TransferProgress, type Report } from './progress.js';
import type { RepositorySession } from './session.js';

export interface Destination {
  /** Complete: "docker.io/library/busybox". */
  repository: string;
  tag?: string;
  /** What the registry calls the image by: of an index where there is one. */
  digest: Digest;
  report: Report;
}

/** A layer that is wanted, and where it stands in its image. */
interface WantedLayer {
  descriptor: Descriptor;
  chainId: Digest;
  /** The blob is in the store, or comes with another layer of the image. */
  isHere: boolean;
  isUnpacked: boolean;
}

/** Brings one image from a registry into the store: all of it, or nothing. */
export class ImageReception {
  constructor(
    readonly content: Content,
    readonly tags: Tags,
    readonly transfers: LayerTransfers,
    readonly sources: BlobSourceStore,
  ) {}

  /** @returns the image's id, and whether the name stands for another image than before */
  async receive(
    session: RepositorySession,
    image: ImageManifest,
    destination: Destination,
  ): Promise<{ id: Digest; isNew: boolean }> {
    const { config, layers } = image.parsed;
    const bytes = await downloadDocument(session, config, 'image config').catch((error: unknown) => {
      if (!(error instanceof GantryError)) throw error;
      throw new GantryError(error.kind, `error pulling image configuration: ${error.message}`, { cause: error });
    });
    const document = parseImageDocument(bytes);
    if (diffIdsOf(document).length !== layers.length) {
      throw invalid(
        `image ${config.digest} has ${layers.length} layers, its configuration ${diffIdsOf(document).length}`,
      );
    }
    const name = (): boolean => this.#name(config.digest, document, image, destination);
    // The same image, perhaps under another manifest: nothing of it is missing.
    if (this.content.store.image(config.digest)) {
      return { id: config.digest, isNew: this.content.store.transaction(name) };
    }
    const isNew = await this.#receiveLayers(session, image, { bytes, document }, destination.report, name);
    return { id: config.digest, isNew };
  }

  async #receiveLayers(
    session: RepositorySession,
    image: ImageManifest,
    config: { bytes: Buffer; document: ImageDocument },
    report: Report,
    name: () => boolean,
  ): Promise<boolean> {
    const staging = new Staging(this.content);
    const stop = new AbortController();
    const signal = AbortSignal.any([session.signal, stop.signal]);
    const layers = this.#wanted(staging, image.parsed.layers, config.document);
    const downloads = startDownloads(layers, report, (layer) =>
      this.#download(session, layer.descriptor, staging, report, signal),
    );
    const anyFailure = failureOf(downloads.values());
    try {
      for (const layer of layers) {
        await Promise.race([this.#unpack(staging, layer, downloads, report, signal), anyFailure]);
      }
      const publication = new Publication(staging);
      const layerBlobs = layers.map(({ descriptor }) => descriptor.digest);
      await publication.prepare({
        document: config.document,
        config: config.bytes,
        manifest: image.content,
        layerBlobs,
      });
      signal.throwIfAborted();
      let isNew = false;
      publication.publish(() => (isNew = name()));
      return isNew;
    } finally {
      // What failed ends the rest, and nothing writes into a directory that is being removed.
      stop.abort(new DOMException('the pull has ended', 'AbortError'));
      await Promise.allSettled(downloads.values());
      await staging.discard();
    }
  }

  /** Holds what is here already, so that it stays until the image is published. */
  #wanted(staging: Staging, descriptors: readonly Descriptor[], document: ImageDocument): WantedLayer[] {
    const chain = chainIds(diffIdsOf(document));
    const seen = new Set<Digest>();
    return descriptors.map((descriptor, position) => {
      const chainId = chain[position] ?? '';
      const isHere = staging.hold(descriptor.digest) || seen.has(descriptor.digest);
      seen.add(descriptor.digest);
      const isUnpacked = this.content.store.layer(chainId) !== undefined;
      if (isUnpacked) staging.pin(chainId);
      return { descriptor, chainId, isHere, isUnpacked };
    });
  }

  async #download(
    session: RepositorySession,
    descriptor: Descriptor,
    staging: Staging,
    report: Report,
    signal: AbortSignal,
  ): Promise<void> {
    const blob = await this.transfers.fetch(session, descriptor, staging, report, signal);
    // Beside what still arrives.
    void staging.unpackEarly(blob, extractionOf(descriptor, report));
  }

  async #unpack(
    staging: Staging,
    layer: WantedLayer,
    downloads: ReadonlyMap<Digest, Promise<void>>,
    report: Report,
    signal: AbortSignal,
  ): Promise<void> {
    const { descriptor, isHere, isUnpacked } = layer;
    const id = shortId(descriptor.digest);
    if (isHere && isUnpacked) return;
    await downloads.get(descriptor.digest);
    signal.throwIfAborted();
    const blob = staging.find(descriptor.digest);
    if (!isUnpacked && blob) {
      const onConsumed = extractionOf(descriptor, report);
      await staging.unpackEarly(blob, onConsumed);
      // Most layers are unpacked while they arrive, so that this is all there is to tell of it.
      onConsumed(descriptor.size);
    }
    report(layerStatus(id, 'Pull complete'));
  }

  /** Gives the image its names and notes where its layers are. @returns whether the name stood for something else */
  #name(id: Digest, document: ImageDocument, image: ImageManifest, destination: Destination): boolean {
    const { repository, tag, digest } = destination;
    const { store } = this.content;
    if (store.image(id)?.removed) store.setRemoved(id, false);
    const before = tag === undefined ? store.digest(repository, digest) : store.tag(repository, tag);
    if (tag !== undefined && before !== id) this.tags.assign({ repository, tag }, id);
    this.tags.assignDigest(repository, digest, id);
    for (const [position, { digest: blob, size, mediaType }] of image.parsed.layers.entries()) {
      const diffId = diffIdsOf(document)[position] ?? '';
      // Of an image that was there already the manifest is only what the registry says: what was not seen is not believed.
      if (store.blob(blob)?.diff_id !== diffId) continue;
      this.sources.record({ digest: blob, repository, diff_id: diffId, size, media_type: mediaType });
    }
    return before !== id;
  }
}

/** Tells what becomes of each layer, then starts all downloads: how many run at once is not decided here. */
function startDownloads(
  layers: readonly WantedLayer[],
  report: Report,
  download: (layer: WantedLayer) => Promise<void>,
): Map<Digest, Promise<void>> {
  for (const { descriptor, isHere, isUnpacked } of layers) {
    const status = isHere && isUnpacked ? 'Already exists' : 'Pulling fs layer';
    report(layerStatus(shortId(descriptor.digest), status));
  }
  const downloads = new Map<Digest, Promise<void>>();
  for (const layer of layers) {
    if (layer.isHere) continue;
    const running = download(layer);
    // Awaited in the order of the layers; until then a failure must not count as unhandled.
    running.catch(() => undefined);
    downloads.set(layer.descriptor.digest, running);
  }
  return downloads;
}

/** Tells how much of a layer is unpacked. */
function extractionOf({ digest, size }: Descriptor, report: Report): OnConsumed {
  const progress = new TransferProgress(report, shortId(digest), 'Extracting', size);
  return (bytes) => progress.update(bytes);
}

/** Never fulfilled: rejected as soon as one of them fails, whichever is awaited just then. */
function failureOf(downloads: Iterable<Promise<void>>): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  for (const download of downloads) download.catch(reject);
  return promise;
}
