import type { BlobFile } from './blob-file.js';
import type { Content } from './content.js';
import { newDocument, packLayer, planNewImage } from './created-image.js';
import type { Digest } from './digest.js';
import type { ImageEvents } from './events.js';
import { diffIdsOf, platformOf, type ImageConfig } from './image-document.js';
import { applyChanges } from './instructions.js';
import { toImage, type Image } from './lookup.js';
import type { ManifestLayer } from './manifest.js';
import { hostPlatform } from './platform.js';
import { Publication } from './publication.js';
import { familiarReference, type Reference } from './reference.js';
import { Staging } from './staging.js';
import type { Tags } from './tags.js';

/** A container as the source of an image. Whoever passes it keeps the container still until `commit` is done. */
export interface CommitSource {
  id: string;
  /** Id of the image it was made from; "" for none. */
  imageId: string;
  /** The whole configuration it runs with, the image's part included. */
  config: ImageConfig;
  /** Its writable layer, on the host. */
  upper: string;
  /** Paths of mount points below the root, which are no part of the image. */
  exclude: string[];
}

export interface CommitRequest {
  source: CommitSource;
  reference?: Reference | undefined;
  /** Overrides the container's own, field by field. */
  config?: ImageConfig | undefined;
  changes: readonly string[];
  author?: string | undefined;
  comment?: string | undefined;
}

/** Makes an image from what a container changed. */
export class Committer {
  constructor(
    readonly content: Content,
    readonly tags: Tags,
    readonly events: ImageEvents,
  ) {}

  async commit(request: CommitRequest): Promise<Digest> {
    const { source, reference } = request;
    const applied = applyChanges(request.config ?? source.config, request.changes);
    const author = applied.author ?? request.author;
    const config = mergeConfig(applied.config, source.config);
    const staging = new Staging(this.content);
    try {
      const parent = this.#parent(source.imageId, staging);
      const layer = await this.#packChanges(source, staging);
      const created = new Date().toISOString();
      const document = newDocument({
        platform: parent ? platformOf(parent.document) : hostPlatform,
        config,
        created,
        author,
        comment: request.comment,
        history: [
          ...(parent?.document.history ?? []),
          {
            created,
            created_by: (source.config.Cmd ?? []).join(' '),
            ...(author ? { author } : {}),
            ...(request.comment ? { comment: request.comment } : {}),
            ...(layer ? {} : { empty_layer: true }),
          },
        ],
        diffIds: [...(parent ? diffIdsOf(parent.document) : []), ...(layer ? [layer.diffId] : [])],
      });
      const below = parent ? await this.#parentLayers(parent, staging) : [];
      const layers = [
        ...below,
        ...(layer ? [{ digest: layer.digest, size: layer.size, compression: 'none' } as const] : []),
      ];
      const publication = new Publication(staging);
      const id = await publication.prepare(planNewImage(document, layers, parent?.id));
      publication.publish(() => reference && this.tags.assign(reference, id));
      this.events.publish('create', id);
      if (reference) this.events.publish('tag', id, familiarReference(reference));
      return id;
    } finally {
      await staging.discard();
    }
  }

  /** The image the container was made from, also when it has been removed since; its content stays for this long. */
  #parent(imageId: string, staging: Staging): Image | undefined {
    const row = imageId ? this.content.store.image(imageId) : undefined;
    if (!row) return undefined;
    for (const layer of this.content.store.layersOf(imageId)) {
      staging.pin(layer.chain_id);
      staging.pin(layer.blob);
    }
    return toImage(row);
  }

  async #parentLayers(parent: Image, staging: Staging): Promise<ManifestLayer[]> {
    const layers: ManifestLayer[] = [];
    for (const { blob } of this.content.store.layersOf(parent.id)) {
      const found = staging.find(blob);
      if (found) layers.push({ digest: blob, size: found.size, compression: await staging.layerCompression(found) });
    }
    return layers;
  }

  /** The container's writable layer as a blob; nothing when it changed nothing. */
  async #packChanges(source: CommitSource, staging: Staging): Promise<BlobFile | undefined> {
    const changes = await this.content.addon.changes([], source.upper, source.exclude);
    if (changes.length === 0) return undefined;
    const root = { kind: 'directory', path: source.upper } as const;
    return packLayer(staging, root, { whiteouts: true, exclude: source.exclude, idMap: this.content.mapping });
  }
}

/** What `own` says, and what it leaves open from `base`: Docker's rules for commit. */
function mergeConfig(own: ImageConfig, base: ImageConfig): ImageConfig {
  const nameOf = (entry: string): string => entry.split('=', 1)[0] ?? '';
  const ownNames = new Set((own.Env ?? []).map(nameOf));
  const hasEntrypoint = (own.Entrypoint?.length ?? 0) > 0;
  const hasCommand = (own.Cmd?.length ?? 0) > 0;
  const merged: ImageConfig = {
    User: own.User || base.User || '',
    Env: [...(own.Env ?? []), ...(base.Env ?? []).filter((entry) => !ownNames.has(nameOf(entry)))],
    Cmd: hasCommand || hasEntrypoint ? (own.Cmd ?? null) : (base.Cmd ?? null),
    Entrypoint: own.Entrypoint ?? base.Entrypoint ?? null,
    WorkingDir: own.WorkingDir || base.WorkingDir || '',
    Volumes: union(own.Volumes, base.Volumes),
    Labels: union(own.Labels, base.Labels),
    OnBuild: own.OnBuild ?? null,
  };
  const ports = union(own.ExposedPorts, base.ExposedPorts);
  const healthcheck = own.Healthcheck?.Test?.length ? own.Healthcheck : (base.Healthcheck ?? own.Healthcheck);
  return {
    ...merged,
    ...(ports ? { ExposedPorts: ports } : {}),
    ...(healthcheck ? { Healthcheck: healthcheck } : {}),
    ...(own.StopSignal || base.StopSignal ? { StopSignal: own.StopSignal || base.StopSignal || '' } : {}),
    ...((own.Shell ?? base.Shell) ? { Shell: own.Shell ?? base.Shell ?? null } : {}),
  };
}

function union<Value>(
  own: Record<string, Value> | null | undefined,
  base: Record<string, Value> | null | undefined,
): Record<string, Value> | null {
  const both = { ...base, ...own };
  return Object.keys(both).length > 0 ? both : null;
}
