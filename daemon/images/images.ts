import type { EventPublisher } from '../events/event-publisher.js';
import type { Addon } from '../runtime/addon.js';
import type { ImageStore } from '../store/images.js';
import { IdMapping } from '../userns/id-mapping.js';
import { Committer } from './commit.js';
import { Content, type LayerLimits } from './content.js';
import type { Digest } from './digest.js';
import { ImageDirectories } from './directories.js';
import { ImageEvents } from './events.js';
import { ImageImporter } from './import.js';
import { ImageLoader } from './load.js';
import { Lookup, type Image } from './lookup.js';
import { familiarReference, type Reference } from './reference.js';
import { ImageRemoval } from './removal.js';
import { ImageSaver } from './save.js';
import { Tags } from './tags.js';
import type { ImageUsers } from './users.js';

/** Everything about images, put together. Each part has one subject. */
export class Images {
  readonly store: ImageStore;
  readonly directories: ImageDirectories;
  readonly content: Content;
  readonly events: ImageEvents;
  readonly tags: Tags;
  readonly lookup: Lookup;
  readonly loader: ImageLoader;
  readonly saver: ImageSaver;
  readonly importer: ImageImporter;
  readonly committer: Committer;
  readonly removal: ImageRemoval;

  constructor(
    dataRoot: string,
    store: ImageStore,
    addon: Addon,
    publisher: EventPublisher,
    users: ImageUsers,
    mapping = IdMapping.identity,
    limits: LayerLimits,
  ) {
    this.store = store;
    this.directories = new ImageDirectories(dataRoot);
    this.content = new Content(store, this.directories, addon, mapping, limits);
    this.events = new ImageEvents(store, publisher);
    this.tags = new Tags(store);
    this.lookup = new Lookup(store);
    this.loader = new ImageLoader(this.content, this.tags, this.events);
    this.saver = new ImageSaver(this.content, this.lookup, this.events);
    this.importer = new ImageImporter(this.content, this.tags, this.events);
    this.committer = new Committer(this.content, this.tags, this.events);
    this.removal = new ImageRemoval(this.content, this.lookup, this.tags, users, this.events);
  }

  /** See Lookup.resolve. */
  resolve(text: string, platform?: string): Image {
    return this.lookup.resolve(text, platform);
  }

  /** The unpacked layers of an image, topmost first; also of one that was removed while containers stand on it. */
  layerDirectories(imageId: Digest): string[] {
    return this.store
      .chainOf(imageId)
      .map((chainId) => this.directories.layer(chainId))
      .reverse();
  }

  /** Makes sure of the part of `containerLayers` that no image brings. */
  prepareContainerLayers(imageId: Digest): Promise<void> {
    return this.content.initLayers.ensure(imageId, this.layerDirectories(imageId));
  }

  /** What lies below the writable layer of a container of this image, topmost first. */
  containerLayers(imageId: Digest): string[] {
    return [...this.content.initLayers.of(imageId), ...this.layerDirectories(imageId)];
  }

  /** Bytes of file content; 0 when there is no such image. */
  size(imageId: Digest): number {
    return this.store.image(imageId)?.size ?? 0;
  }

  /** What to call the image of a container: as it was asked for, or by id when that names another image by now. */
  displayName(imageId: Digest, requested: string): string {
    try {
      return this.lookup.find(requested)?.id === imageId ? requested : imageId;
    } catch {
      return imageId;
    }
  }

  /** Ids of the image that `text` names and of all that were made from it. */
  descendants(text: string): Set<Digest> {
    const image = this.lookup.find(text);
    const found = new Set<Digest>();
    const add = (id: Digest): void => {
      if (found.has(id)) return;
      found.add(id);
      for (const child of this.store.children(id)) add(child);
    };
    if (image) add(image.id);
    return found;
  }

  /** Gives an image another name. */
  tag(text: string, reference: Reference): void {
    const image = this.lookup.resolve(text);
    this.tags.assign(reference, image.id);
    this.events.publish('tag', image.id, familiarReference(reference));
  }

  /** How many there are, for GET /info. */
  count(): number {
    return this.store.visibleImages().length;
  }

  /** To be called once at start, before anything uses images: removes what a crash left behind. */
  async collectGarbage(): Promise<{ lost: Digest[] }> {
    this.removal.releaseUnused();
    return this.content.collectGarbage();
  }
}
