import { conflict } from '../errors.js';
import type { Filters } from '../http/filters.js';
import type { ImageStore } from '../store/images.js';
import type { Content } from './content.js';
import { shortId, type Digest } from './digest.js';
import type { ImageEvents } from './events.js';
import { untilTime } from './list.js';
import { toImage, type Image, type Lookup } from './lookup.js';
import { familiarReference, idPrefix, parseReference, wholeId, withDefaultTag, type Reference } from './reference.js';
import type { Tags } from './tags.js';
import type { ImageUsers } from './users.js';

/** Docker's ImageDeleteResponseItem. */
export type DeletedItem = { Untagged: string } | { Deleted: string };

/** The filters of POST /images/prune. */
export const pruneFilterNames = ['dangling', 'label', 'label!', 'until'];

interface Conflict {
  /** Cannot be overcome by force. */
  hard: boolean;
  /** A container stands on the image. */
  used: boolean;
  reason: string;
}

/** Takes names from images, and removes images that have none: Docker's rules, and its words for refusing. */
export class ImageRemoval {
  readonly #store: ImageStore;

  constructor(
    readonly content: Content,
    readonly lookup: Lookup,
    readonly tags: Tags,
    readonly users: ImageUsers,
    readonly events: ImageEvents,
  ) {
    this.#store = content.store;
  }

  /**
   * `docker rmi`: a name is taken away, and the image with its last one; an id removes the image with all its names, which
   * takes force when they are of several repositories.
   *
   * @throws GantryError not-found, or conflict
   */
  remove(text: string, options: { force: boolean; noprune: boolean }): DeletedItem[] {
    const image = this.lookup.resolve(text);
    const names = this.tags.of(image.id);
    const name = this.#nameMeant(text, image);
    const items: DeletedItem[] = [];
    if (name) {
      if (!options.force && isSingleReference(names)) this.#refuseForContainer(image.id, name);
      this.#untag(image.id, name, items);
      this.#dropDigestsWithLastTag(image.id, name, items);
      if (this.tags.of(image.id).length > 0) return items;
    } else if (isSingleReference(names)) {
      this.#refuse(image.id, this.#conflictOf(image.id, options.force, false));
      for (const reference of names) this.#untag(image.id, reference, items);
    }
    this.#removeImage(image.id, { force: options.force, prune: !options.noprune, quiet: name !== undefined }, items);
    this.#sweep(items);
    return items;
  }

  /** Removes images that no container uses: those without a name, or with `dangling=false` all. */
  prune(filters: Filters): { ImagesDeleted: DeletedItem[] | null; SpaceReclaimed: number } {
    const danglingOnly = filters.boolean('dangling', true);
    const until = Math.min(...filters.get('until').map(untilTime));
    const items: DeletedItem[] = [];
    for (const image of this.#store.visibleImages().map(toImage)) {
      if (image.created >= until || !filters.labels(image.config.Labels)) continue;
      if (this.users.containersUsing(image.id).length > 0) continue;
      this.#pruneImage(image, danglingOnly, items);
    }
    const reclaimed = this.#sweep(items);
    this.events.prune(reclaimed);
    return { ImagesDeleted: items.length > 0 ? items : null, SpaceReclaimed: reclaimed };
  }

  /** Lets go of images that were removed by force while containers stood on them, once those are gone. */
  releaseUnused(): void {
    const free = this.#store.removedImages().filter((id) => this.users.containersUsing(id).length === 0);
    if (free.length === 0) return;
    for (const id of free) this.#store.deleteImage(id);
    this.content.sweep();
  }

  #pruneImage(image: Image, danglingOnly: boolean, items: DeletedItem[]): void {
    const names = this.tags.of(image.id);
    if (names.length === 0) {
      // Parents that became free are found by their own turn or through their last child.
      if (this.#store.image(image.id) && this.#store.children(image.id).length === 0) {
        this.#removeImage(image.id, { force: false, prune: true, quiet: true }, items);
      }
      return;
    }
    if (danglingOnly) return;
    for (const name of names) this.#untag(image.id, name, items);
    this.#removeImage(image.id, { force: false, prune: true, quiet: true }, items);
  }

  /** The name by which the image was meant, or nothing when it was its id. */
  #nameMeant(text: string, image: Image): Reference | undefined {
    if (wholeId(text) !== undefined) return undefined;
    const reference = withDefaultTag(parseReference(text));
    const names = this.tags.of(image.id).map(familiarReference);
    const given: Reference = reference.digest
      ? { repository: reference.repository, digest: reference.digest }
      : reference;
    if (names.includes(familiarReference(given))) return given;
    return idPrefix(text) === undefined ? given : undefined;
  }

  #refuseForContainer(id: Digest, name: Reference): void {
    const [container] = this.users.containersUsing(id);
    if (!container) return;
    throw conflict(
      `conflict: unable to remove repository reference "${familiarReference(name)}" (must force) - ` +
        `container ${container.id.slice(0, 12)} is using its referenced image ${shortId(id)}`,
    );
  }

  #untag(id: Digest, name: Reference, items: DeletedItem[]): void {
    this.tags.remove(name);
    this.events.publish('untag', id);
    items.push({ Untagged: familiarReference(name) });
  }

  /** What is left when the last tag of a repository goes are its digests: they go, too. */
  #dropDigestsWithLastTag(id: Digest, name: Reference, items: DeletedItem[]): void {
    const left = this.tags.of(id).filter((other) => other.repository === name.repository);
    if (left.some((other) => other.tag !== undefined)) return;
    for (const reference of left) this.#untag(id, reference, items);
  }

  #removeImage(id: Digest, options: { force: boolean; prune: boolean; quiet: boolean }, items: DeletedItem[]): void {
    const found = this.#conflictOf(id, options.force, true);
    if (found) {
      const isDangling = this.tags.of(id).length === 0 && this.#store.children(id).length === 0;
      if (options.quiet && (!isDangling || found.used)) return;
      this.#refuse(id, found);
    }
    const parent = this.#store.image(id)?.parent_id ?? '';
    for (const name of this.tags.of(id)) this.#untag(id, name, items);
    this.#forget(id);
    items.push({ Deleted: id });
    const parentIsFree = parent !== '' && this.#store.image(parent)?.removed === 0 && this.tags.of(parent).length === 0;
    if (options.prune && parentIsFree) this.#removeImage(parent, { force: false, prune: true, quiet: true }, items);
  }

  /** Stopped containers keep the content of an image that was removed by force. */
  #forget(id: Digest): void {
    if (this.users.containersUsing(id).length > 0) this.#store.setRemoved(id, true);
    else this.#store.deleteImage(id);
    this.events.publishDeleted(id);
  }

  #conflictOf(id: Digest, force: boolean, withNames: boolean): Conflict | undefined {
    if (this.#store.children(id).length > 0) {
      return { hard: true, used: false, reason: 'image has dependent child images' };
    }
    const containers = this.users.containersUsing(id);
    const running = containers.find((container) => container.running);
    if (running) {
      return { hard: true, used: true, reason: `image is being used by running container ${running.id.slice(0, 12)}` };
    }
    if (force) return undefined;
    if (withNames && this.tags.of(id).length > 0) {
      return { hard: false, used: false, reason: 'image is referenced in multiple repositories' };
    }
    const [stopped] = containers;
    return (
      stopped && {
        hard: false,
        used: true,
        reason: `image is being used by stopped container ${stopped.id.slice(0, 12)}`,
      }
    );
  }

  #refuse(id: Digest, found: Conflict | undefined): void {
    if (!found) return;
    const force = found.hard ? 'cannot be forced' : 'must be forced';
    throw conflict(`conflict: unable to delete ${shortId(id)} (${force}) - ${found.reason}`);
  }

  #sweep(items: DeletedItem[]): number {
    const swept = this.content.sweep();
    items.push(...swept.layers.map((layer) => ({ Deleted: layer })));
    return swept.bytes;
  }
}

/** Whether all of an image's names are one tag, with digests of the same repository. */
function isSingleReference(names: readonly Reference[]): boolean {
  const tags = names.filter((name) => name.tag !== undefined);
  return tags.length <= 1 && new Set(names.map((name) => name.repository)).size <= 1;
}
