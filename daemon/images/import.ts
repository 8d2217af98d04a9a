import { openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { GantryError, invalid } from '../errors.js';
import type { BlobFile } from './blob-file.js';
import type { Content } from './content.js';
import { newDocument, newStagedDirectory, packLayer, planNewImage } from './created-image.js';
import type { Digest } from './digest.js';
import type { ImageEvents } from './events.js';
import { applyChanges } from './instructions.js';
import { hostPlatform, parsePlatform } from './platform.js';
import { Publication } from './publication.js';
import { familiarReference, type Reference } from './reference.js';
import { Staging } from './staging.js';
import type { Tags } from './tags.js';

export interface ImportRequest {
  /** A tar stream of a root file system: plain, gzip, bzip2, xz or zstd. */
  archive: Readable;
  reference?: Reference | undefined;
  changes: readonly string[];
  message?: string | undefined;
  /** "linux/arm64/v8"; by default the host's. */
  platform?: string | undefined;
}

/** Makes an image of one layer from a root file system. */
export class ImageImporter {
  constructor(
    readonly content: Content,
    readonly tags: Tags,
    readonly events: ImageEvents,
  ) {}

  /** @throws GantryError invalid for changes that cannot be applied or an archive that cannot be read */
  async import(request: ImportRequest): Promise<Digest> {
    const { config, author } = applyChanges({}, request.changes);
    const platform = request.platform ? parsePlatform(request.platform) : hostPlatform;
    if (platform.os !== 'linux') throw invalid('operating system is not supported');
    const comment = request.message || 'Imported from -';
    const staging = new Staging(this.content);
    try {
      const layer = await this.#receiveLayer(request.archive, staging);
      const compression = await staging.layerCompression(layer);
      const created = new Date().toISOString();
      const history = [{ created, comment }];
      const document = newDocument({ platform, config, created, author, comment, history, diffIds: [layer.diffId] });
      const publication = new Publication(staging);
      const id = await publication.prepare(planNewImage(document, [{ ...layer, compression }]));
      const { reference } = request;
      publication.publish(() => reference && this.tags.assign(reference, id));
      if (reference) this.events.publish('tag', id, familiarReference(reference));
      this.events.publish('import', id);
      return id;
    } finally {
      await staging.discard();
    }
  }

  async #receiveLayer(archive: Readable, staging: Staging): Promise<BlobFile> {
    // The connection is not ours to close: a refusal has to reach the client.
    const content = archive.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    const blob = await staging.receive(content, { ownsChunks: true }).catch((error: unknown) => {
      if (error instanceof GantryError) throw invalid(error.message.replace('layer', 'archive'), error);
      throw error;
    });
    if (blob.size === 0) throw invalid('the archive to import is empty');
    if (blob.compression !== 'bzip2' && blob.compression !== 'xz') return blob;
    return this.#repack(blob, staging);
  }

  /** Layers cannot be stored in these compressions, which Node.js does not know but libarchive does. */
  async #repack(blob: BlobFile, staging: Staging): Promise<BlobFile> {
    const path = newStagedDirectory(staging);
    const { addon } = this.content;
    const root = { kind: 'directory', path } as const;
    const { maxBytes, maxEntries } = this.content.layerLimits;
    const options = { whiteouts: true, maxBytes, maxEntries };
    await addon.unpack(root, '/', openSync(blob.path, 'r'), options).catch((error: unknown) => {
      throw invalid(`failed to unpack the archive: ${(error as Error).message}`, error);
    });
    return packLayer(staging, root, { whiteouts: true });
  }
}
