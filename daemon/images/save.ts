import { open } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { internal, notFound } from '../errors.js';
import type { Content } from './content.js';
import { hexOf, type Digest } from './digest.js';
import type { ImageEvents } from './events.js';
import type { Image, Lookup } from './lookup.js';
import { layerDescriptor, mediaTypes, type Descriptor } from './manifest.js';
import { formatPlatform, matchesPlatform, type Platform } from './platform.js';
import { platformOf } from './image-document.js';
import { familiarName, familiarReference, idPrefix, parseReference, wholeId, type Reference } from './reference.js';
import { detectCompression, signatureLength, type Compression } from './compression.js';
import { ReusedChunks } from './reused-chunks.js';
import { tarEnd, tarHeader, tarPadding } from './tar-blocks.js';

interface SavedImage {
  image: Image;
  names: Reference[];
  layers: { descriptor: Descriptor; diffId: Digest }[];
}

/** Images that were found and wait to be written. */
export interface SavedArchive {
  /** Writes the archive and ends the output; destroys it on failure. */
  writeTo(output: Writable, signal: AbortSignal): Promise<void>;
}

const blobPath = (digest: Digest): string => `blobs/sha256/${hexOf(digest)}`;

/** Writes images as `docker save` does today: an OCI layout that also has Docker's own manifest.json. */
export class ImageSaver {
  constructor(
    readonly content: Content,
    readonly lookup: Lookup,
    readonly events: ImageEvents,
  ) {}

  /**
   * @param references names (a repository alone means all its tags) or ids
   * @throws GantryError not-found before anything is sent
   */
  save(references: readonly string[], wanted: readonly Platform[] = []): SavedArchive {
    const selected = this.#select(references);
    for (const { image } of selected.values()) requireSavedPlatform(image, wanted);
    return { writeTo: (output, signal) => this.#writeAll([...selected.values()], output, signal) };
  }

  /** The same for one image under names of the caller's choice. */
  saveAs(image: Image, names: readonly Reference[]): SavedArchive {
    const saved = [{ image, names: [...names], layers: [] }];
    return { writeTo: (output, signal) => this.#writeAll(saved, output, signal) };
  }

  async #writeAll(images: SavedImage[], output: Writable, signal: AbortSignal): Promise<void> {
    const pins = images.flatMap(({ image }) => this.#blobsOf(image.id));
    for (const digest of pins) this.content.pin(digest);
    try {
      await this.#write(images, new ReusedChunks(output, signal));
      output.end();
    } catch (error) {
      // An archive that is cut off is the only way left to tell.
      output.destroy(error as Error);
    } finally {
      for (const digest of pins) this.content.unpin(digest);
      this.content.sweep();
    }
  }

  /** Each image once, with the names it was asked for by. */
  #select(references: readonly string[]): Map<Digest, SavedImage> {
    const selected = new Map<Digest, SavedImage>();
    const add = (image: Image, name?: Reference): void => {
      const saved = selected.get(image.id) ?? { image, names: [], layers: [] };
      const isKnown = name && saved.names.some((known) => familiarReference(known) === familiarReference(name));
      if (name && !isKnown) saved.names.push(name);
      selected.set(image.id, saved);
    };
    for (const text of references) {
      const whole = wholeId(text);
      const named = whole ? [] : this.#named(parseReference(text));
      for (const { image, name } of named) add(image, name);
      if (named.length > 0) continue;
      const byId = whole || idPrefix(text) ? this.lookup.find(text) : undefined;
      if (!byId) throw notFound(`No such image: ${text}`);
      add(byId);
    }
    return selected;
  }

  #named(reference: Reference): { image: Image; name: Reference }[] {
    const { repository, tag, digest } = reference;
    const { store } = this.content;
    const id =
      digest !== undefined
        ? store.digest(repository, digest)
        : tag !== undefined
          ? store.tag(repository, tag)
          : undefined;
    if (id !== undefined) return this.#visible(id, reference);
    if (tag !== undefined || digest !== undefined) return [];
    return store
      .allTags()
      .filter((row) => row.repository === repository)
      .flatMap((row) => this.#visible(row.image_id, { repository, tag: row.reference }));
  }

  #visible(id: Digest, name: Reference): { image: Image; name: Reference }[] {
    const image = this.lookup.get(id);
    return image ? [{ image, name }] : [];
  }

  #blobsOf(id: Digest): Digest[] {
    const image = this.content.store.image(id);
    return [id, image?.manifest ?? '', ...this.content.store.layersOf(id).map((layer) => layer.blob)];
  }

  async #write(images: SavedImage[], chunks: ReusedChunks): Promise<void> {
    for (const saved of images) saved.layers = await this.#layers(saved.image.id);
    const blobs = new Set(images.flatMap(({ image }) => this.#blobsOf(image.id)));
    for (const name of ['blobs/', 'blobs/sha256/']) await chunks.write(tarHeader(name, 0, 'directory'));
    for (const digest of [...blobs].sort()) await this.#writeBlob(digest, chunks);
    for (const [name, text] of this.#documents(images)) {
      const document = Buffer.from(text);
      await chunks.write(Buffer.concat([tarHeader(name, document.length), document, tarPadding(document.length)]));
    }
    await chunks.write(tarEnd);
    for (const { image } of images) this.events.publish('save', image.id);
  }

  /** As it is stored: never hashed or compressed again. */
  async #writeBlob(digest: Digest, chunks: ReusedChunks): Promise<void> {
    const size = this.content.blobSize(digest);
    await chunks.write(tarHeader(blobPath(digest), size));
    const file = await open(this.content.directories.blob(digest));
    try {
      const written = await chunks.writeFile(file, size);
      if (written !== size) throw internal(`blob ${digest} has ${written} bytes, not ${size}`);
    } finally {
      await file.close();
    }
    await chunks.write(tarPadding(size));
  }

  #documents(images: SavedImage[]): [string, string][] {
    const repositories = repositoriesDocument(images);
    return [
      [
        'index.json',
        JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: this.#indexEntries(images) }),
      ],
      ['manifest.json', JSON.stringify(images.map(dockerManifest))],
      ['oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
      ...(repositories ? [['repositories', repositories] as [string, string]] : []),
    ];
  }

  #indexEntries(images: SavedImage[]): Descriptor[] {
    return images.flatMap(({ image, names }) => {
      const descriptor = {
        mediaType: mediaTypes.manifest,
        digest: image.manifest,
        size: this.content.blobSize(image.manifest),
      };
      if (names.length === 0) return [descriptor];
      return names.map((name) => ({
        ...descriptor,
        annotations: {
          'io.containerd.image.name': `${name.repository}${familiarReference(name).slice(familiarName(name.repository).length)}`,
          ...(name.tag === undefined ? {} : { 'org.opencontainers.image.ref.name': name.tag }),
        },
      }));
    });
  }

  async #layers(id: Digest): Promise<SavedImage['layers']> {
    const layers: SavedImage['layers'] = [];
    for (const { blob, blob_size, diff_id } of this.content.store.layersOf(id)) {
      const compression = await compressionOf(this.content.directories.blob(blob));
      layers.push({ descriptor: layerDescriptor({ digest: blob, size: blob_size, compression }), diffId: diff_id });
    }
    return layers;
  }
}

/** An entry of manifest.json, in the order of members that Docker writes. */
function dockerManifest({ image, names, layers }: SavedImage): object {
  const tags = names.filter((name) => name.tag !== undefined).map(familiarReference);
  return {
    Config: blobPath(image.id),
    RepoTags: tags.length > 0 ? tags : null,
    Layers: layers.map(({ descriptor }) => blobPath(descriptor.digest)),
    LayerSources: Object.fromEntries(layers.map(({ descriptor, diffId }) => [diffId, descriptor])),
  };
}

/** The oldest of the three documents: for each name the topmost layer. */
function repositoriesDocument(images: SavedImage[]): string | undefined {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { names, layers } of images) {
    const top = layers.at(-1);
    for (const { repository, tag } of names) {
      if (tag !== undefined && top) (repositories[familiarName(repository)] ??= {})[tag] = hexOf(top.descriptor.digest);
    }
  }
  return Object.keys(repositories).length > 0 ? JSON.stringify(repositories) : undefined;
}

async function compressionOf(path: string): Promise<Compression> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(signatureLength), 0, signatureLength);
    const compression = detectCompression(buffer);
    return compression === 'gzip' || compression === 'zstd' ? compression : 'none';
  } finally {
    await file.close();
  }
}

function requireSavedPlatform(image: Image, wanted: readonly Platform[]): void {
  for (const platform of wanted) {
    if (!matchesPlatform(platformOf(image.document), platform)) {
      throw notFound(`no suitable export target found for platform ${formatPlatform(platform)}`);
    }
  }
}
