import type { BlobSource, BlobSourceStore } from '../../store/blob-sources.js';
import type { ImageLayerRow } from '../../store/images.js';
import { shortId } from '../digest.js';
import { mediaTypes, type Descriptor } from '../manifest.js';
import {
  beginUpload,
  cancelUpload,
  hasBlob,
  mountBlob,
  uploadBlob,
  uploadStream,
  type StoredBlob,
} from './blob-upload.js';
import { compressLayer } from './compressed-layer.js';
import { splitRepository } from './endpoints.js';
import { layerStatus, TransferProgress, type Report } from './progress.js';
import { RegistryError } from './registry-error.js';
import type { RepositorySession } from './session.js';
import type { Slots } from '../../slots.js';

/** A layer on its way to a registry. */
export interface OutgoingLayer {
  row: ImageLayerRow;
  /** The file with the layer as it is stored. */
  path: string;
  /** As it is stored, or nothing when it is stored uncompressed and goes compressed. */
  descriptor: Descriptor | undefined;
}

/** More places are not worth asking for. */
const maxMountAttempts = 4;

/** Puts layers into repositories by the cheapest of the ways there are: it is there, it is nearby, it is sent. */
export class LayerPush {
  constructor(
    readonly sources: BlobSourceStore,
    readonly slots: Slots,
  ) {}

  /** @returns what the layer is in the repository */
  async push(
    session: RepositorySession,
    repository: string,
    layer: OutgoingLayer,
    report: Report,
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const id = shortId(layer.row.diff_id);
    const wait = (): void => report(layerStatus(id, 'Waiting'));
    const descriptor = await this.slots.use(signal, () => this.#push(session, repository, layer, report, signal), wait);
    const { digest, size, mediaType } = descriptor;
    this.sources.record({ digest, repository, diff_id: layer.row.diff_id, size, media_type: mediaType });
    return descriptor;
  }

  async #push(
    session: RepositorySession,
    repository: string,
    layer: OutgoingLayer,
    report: Report,
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const id = shortId(layer.row.diff_id);
    const known = this.#knownForms(layer);
    const present = await this.#present(session, repository, layer, known, signal);
    if (present) {
      report(layerStatus(id, 'Layer already exists'));
      return present;
    }
    const { mounted, location } = await this.#mount(session, repository, known, signal);
    if (mounted) {
      report(layerStatus(id, `Mounted from ${splitRepository(mounted.repository).path}`));
      return descriptorOf(mounted);
    }
    const target = location ?? (await beginUpload(session, signal));
    const descriptor = await this.#upload(session, target, layer, report, signal).catch(async (error: unknown) => {
      await cancelUpload(session, target).catch(() => undefined);
      throw error;
    });
    report(layerStatus(id, 'Pushed'));
    return descriptor;
  }

  /** What registries have of this layer, as far as it may be used: a layer that came compressed stays as it came. */
  #knownForms({ row, descriptor }: OutgoingLayer): BlobSource[] {
    return this.sources
      .ofLayer(row.diff_id)
      .filter((source) =>
        descriptor ? source.digest === descriptor.digest : source.media_type === mediaTypes.layer.gzip,
      );
  }

  async #present(
    session: RepositorySession,
    repository: string,
    { descriptor }: OutgoingLayer,
    known: readonly BlobSource[],
    signal: AbortSignal,
  ): Promise<Descriptor | undefined> {
    if (descriptor) return (await hasBlob(session, descriptor.digest, signal)) ? descriptor : undefined;
    const forms = new Map(known.map((source) => [source.digest, descriptorOf(source)]));
    for (const form of [...forms.values()].slice(0, maxMountAttempts)) {
      if (await hasBlob(session, form.digest, signal)) return form;
      this.sources.forget(form.digest, repository);
    }
    return undefined;
  }

  async #mount(
    session: RepositorySession,
    repository: string,
    known: readonly BlobSource[],
    signal: AbortSignal,
  ): Promise<{ mounted?: BlobSource; location?: URL }> {
    const { registry } = splitRepository(repository);
    const nearby = known.filter(
      (source) => source.repository !== repository && splitRepository(source.repository).registry === registry,
    );
    let location: URL | undefined;
    for (const source of nearby.slice(0, maxMountAttempts)) {
      if (location) await cancelUpload(session, location).catch(() => undefined);
      try {
        location = await mountBlob(session, source.digest, splitRepository(source.repository).path, signal);
        if (!location) return { mounted: source };
        this.sources.forget(source.digest, source.repository);
      } catch (error) {
        // Not allowed to read there, or no mounting at all: the layer is sent instead.
        if (!(error instanceof RegistryError)) throw error;
        location = undefined;
      }
    }
    return location ? { location } : {};
  }

  async #upload(
    session: RepositorySession,
    location: URL,
    layer: OutgoingLayer,
    report: Report,
    signal: AbortSignal,
  ): Promise<Descriptor> {
    const { row, path, descriptor } = layer;
    const progress = new TransferProgress(report, shortId(row.diff_id), 'Pushing', row.blob_size);
    const onProgress = (sent: number): void => progress.update(sent);
    if (descriptor) {
      const blob: StoredBlob = { path, digest: descriptor.digest, size: descriptor.size };
      await uploadBlob(session, location, blob, signal, onProgress);
      return descriptor;
    }
    const { digest, size } = await uploadStream(session, location, () => compressLayer(path, onProgress), signal);
    return { mediaType: mediaTypes.layer.gzip, digest, size };
  }
}

const descriptorOf = ({ media_type, digest, size }: BlobSource): Descriptor => ({
  mediaType: media_type,
  digest,
  size,
});
