import { mkdirSync } from 'node:fs';
import type { PackOptions, ReceivedBlob, Root } from '../runtime/addon.js';
import { digestOf, type Digest } from './digest.js';
import type { HistoryEntry, ImageConfig, ImageDocument } from './image-document.js';
import { writeManifest, type ManifestLayer } from './manifest.js';
import type { Platform } from './platform.js';
import type { ImagePlan } from './publication.js';
import type { Staging } from './staging.js';
import type { BlobFile } from './blob-file.js';

/** Docker's own images carry these in the order of its struct; the order decides the digest, and so the id. */
export interface NewDocument {
  platform: Platform;
  config: ImageConfig;
  created: string;
  author?: string | undefined;
  comment?: string | undefined;
  history: HistoryEntry[];
  diffIds: Digest[];
}

/** The configuration of an image that is made here. */
export function newDocument(image: NewDocument): ImageDocument {
  return {
    architecture: image.platform.architecture,
    ...(image.author ? { author: image.author } : {}),
    ...(image.comment ? { comment: image.comment } : {}),
    config: image.config,
    created: image.created,
    history: image.history,
    os: image.platform.os,
    rootfs: { type: 'layers', diff_ids: image.diffIds },
    ...(image.platform.variant ? { variant: image.platform.variant } : {}),
  };
}

/** A plan of an image whose layers are known. */
export function planNewImage(document: ImageDocument, layers: readonly ManifestLayer[], parentId?: Digest): ImagePlan {
  const config = Buffer.from(JSON.stringify(document));
  return {
    document,
    config,
    manifest: writeManifest({ digest: digestOf(config), size: config.length }, layers),
    layerBlobs: layers.map((layer) => layer.digest),
    ...(parentId ? { parentId } : {}),
  };
}

/** Packs a tree into a layer blob: one thread packs, another stores what comes through the pipe. */
export function packLayer(staging: Staging, root: Root, options: PackOptions): Promise<BlobFile> {
  return staging.receiveFrom((consume) => packInto(consume, staging, root, options));
}

/** The same for a tree that itself becomes the unpacked layer. */
export function packLayerInPlace(staging: Staging, root: Root, options: PackOptions): Promise<BlobFile> {
  return staging.receivePacked((consume) => packInto(consume, staging, root, options));
}

async function packInto(
  consume: (input: number) => Promise<ReceivedBlob>,
  { content: { addon } }: Staging,
  root: Root,
  options: PackOptions,
): Promise<ReceivedBlob> {
  const [readEnd, writeEnd] = addon.pipe();
  const packing = addon.pack(root, '/', writeEnd, { as: '.', ...options });
  const [packed, received] = await Promise.allSettled([packing, consume(readEnd)]);
  // A full disk breaks the pipe: that it is full says more.
  if (received.status === 'rejected') throw received.reason;
  if (packed.status === 'rejected') throw packed.reason;
  return received.value;
}

/** A new directory inside the staging area. */
export function newStagedDirectory(staging: Staging): string {
  const path = staging.newPath();
  mkdirSync(path, { mode: 0o755 });
  return path;
}
