import { GantryError, invalid, notFound } from '../../errors.js';
import type { BlobSourceStore } from '../../store/blob-sources.js';
import type { Content } from '../content.js';
import { digestOf, shortId, type Digest } from '../digest.js';
import type { ImageEvents } from '../events.js';
import type { Image, Lookup } from '../lookup.js';
import { mediaTypes, parseManifest, writeManifestOf, type Descriptor } from '../manifest.js';
import { parseObject } from '../json-document.js';
import { familiarName, familiarReference, type Reference } from '../reference.js';
import type { Tags } from '../tags.js';
import { beginUpload, hasBlob, uploadBlob } from './blob-upload.js';
import type { Credentials } from './credentials.js';
import { LayerPush, type OutgoingLayer } from './layer-push.js';
import { layerStatus, ProgressQueue, type Report } from './progress.js';
import type { Send } from './pull.js';
import type { RepositorySession } from './session.js';
import type { Sessions } from './sessions.js';
import { Slots } from '../../slots.js';
import { drop } from './transport.js';

export interface PushRequest {
  /** A repository alone means all its tags. */
  reference: Reference;
  credentials: Credentials;
}

interface NamedImage {
  image: Image;
  tag: string;
}

/** Pushes images: those that came from a registry exactly as they came, those made here with their layers compressed. */
export class Pusher {
  readonly #layers: LayerPush;

  constructor(
    readonly content: Content,
    readonly lookup: Lookup,
    readonly tags: Tags,
    readonly sessions: Sessions,
    readonly sources: BlobSourceStore,
    readonly events: ImageEvents,
    limit: () => number,
  ) {
    this.#layers = new LayerPush(sources, new Slots(limit));
  }

  /** @throws GantryError */
  async push(request: PushRequest, send: Send, signal: AbortSignal): Promise<void> {
    await new ProgressQueue().run((report) => this.#push(request, report, signal), send);
  }

  async #push({ reference, credentials }: PushRequest, report: Report, signal: AbortSignal): Promise<void> {
    const { repository } = reference;
    report({ status: `The push refers to repository [${repository}]` });
    if (reference.digest !== undefined) throw invalid('cannot push a digest reference');
    const images = this.#named(reference);
    const session = await this.sessions.push(repository, credentials, signal);
    for (const { image, tag } of images) await this.#pushImage(session, { repository, tag }, image, report, signal);
  }

  #named({ repository, tag }: Reference): NamedImage[] {
    const rows = this.content.store.allTags().filter((row) => row.repository === repository);
    const found = rows
      .filter((row) => tag === undefined || row.reference === tag)
      .flatMap((row) => {
        const image = this.lookup.get(row.image_id);
        return image ? [{ image, tag: row.reference }] : [];
      });
    if (found.length > 0) return found;
    if (rows.length > 0)
      throw notFound(`tag does not exist: ${familiarReference({ repository, ...(tag ? { tag } : {}) })}`);
    throw notFound(`An image does not exist locally with the tag: ${familiarName(repository)}`);
  }

  async #pushImage(
    session: RepositorySession,
    name: { repository: string; tag: string },
    image: Image,
    report: Report,
    signal: AbortSignal,
  ): Promise<void> {
    const { store } = this.content;
    const pins = [image.id, image.manifest, ...store.layersOf(image.id).map(({ blob }) => blob)];
    for (const digest of pins) this.content.pin(digest);
    try {
      const { content, mediaType } = await this.#pushBlobs(session, name.repository, image, report, signal);
      const digest = await putManifest(session, name.tag, content, mediaType, signal);
      if (this.lookup.get(image.id)) this.tags.assignDigest(name.repository, digest, image.id);
      report({ status: `${name.tag}: digest: ${digest} size: ${content.length}` });
      report({ progressDetail: {}, aux: { Tag: name.tag, Digest: digest, Size: content.length } });
      this.events.publishTransfer('push', image.id, familiarReference(name), familiarName(name.repository));
    } finally {
      for (const digest of pins) this.content.unpin(digest);
      this.content.sweep();
    }
  }

  /** @returns the manifest to put over them */
  async #pushBlobs(
    session: RepositorySession,
    repository: string,
    image: Image,
    report: Report,
    signal: AbortSignal,
  ): Promise<{ content: Buffer; mediaType: string }> {
    const manifest = await this.content.readDocument(image.manifest);
    const layers = this.#outgoing(image, manifest);
    // Docker begins at the top.
    for (const { row } of layers.toReversed()) report(layerStatus(shortId(row.diff_id), 'Preparing'));
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const unique = new Map(layers.toReversed().map((layer) => [layer.row.blob, layer]));
    const pushes = new Map(
      [...unique].map(([blob, layer]) => [blob, this.#layers.push(session, repository, layer, report, either)]),
    );
    try {
      await Promise.all(pushes.values());
    } finally {
      stop.abort(new DOMException('the push has ended', 'AbortError'));
      await Promise.allSettled(pushes.values());
    }
    await this.#pushConfig(session, image.id, signal);
    if (layers.every(({ descriptor }) => descriptor)) return { content: manifest, mediaType: mediaTypeOf(manifest) };
    const config = { digest: image.id, size: this.content.blobSize(image.id) };
    const described: Descriptor[] = [];
    for (const { row } of layers) {
      const pushed = await pushes.get(row.blob);
      if (pushed) described.push(pushed);
    }
    return { content: writeManifestOf(config, described), mediaType: mediaTypes.manifest };
  }

  /** An image that a registry knows by its manifest goes as it is. Of another one, what is not compressed will be. */
  #outgoing(image: Image, manifest: Buffer): OutgoingLayer[] {
    const { store, directories } = this.content;
    const described = parseManifest(manifest, `manifest ${image.manifest}`).layers;
    const isFromRegistry = store.digestsOf(image.id).some(({ reference }) => reference === image.manifest);
    return store.layersOf(image.id).map((row, position) => {
      const descriptor = described[position];
      if (descriptor?.digest !== row.blob)
        throw new GantryError('internal', `manifest ${image.manifest} is not of ${image.id}`);
      const isPlain = row.blob === row.diff_id;
      return { row, path: directories.blob(row.blob), descriptor: isPlain && !isFromRegistry ? undefined : descriptor };
    });
  }

  async #pushConfig(session: RepositorySession, digest: Digest, signal: AbortSignal): Promise<void> {
    if (await hasBlob(session, digest, signal)) return;
    const blob = { path: this.content.directories.blob(digest), digest, size: this.content.blobSize(digest) };
    await uploadBlob(session, await beginUpload(session, signal), blob, signal, () => undefined);
  }
}

async function putManifest(
  session: RepositorySession,
  tag: string,
  content: Buffer,
  mediaType: string,
  signal: AbortSignal,
): Promise<Digest> {
  const target = `manifests/${tag}`;
  const headers = { 'content-type': mediaType };
  const answer = await session.send(
    { method: 'PUT', target, headers, body: () => content, accept: [200, 201, 202], repeatable: true },
    signal,
  );
  await drop(answer);
  return digestOf(content);
}

/** OCI manifests need not say what they are. */
function mediaTypeOf(manifest: Buffer): string {
  const { mediaType } = parseObject(manifest, 'image manifest');
  return typeof mediaType === 'string' && mediaType ? mediaType : mediaTypes.manifest;
}
