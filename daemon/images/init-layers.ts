import { lchownSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { notFound } from '../errors.js';
import type { IdMapping } from '../userns/id-mapping.js';
import type { Content } from './content.js';
import { hexOf, type Digest } from './digest.js';

type Surroundings = Pick<Content, 'store' | 'directories' | 'addon' | 'mapping' | 'place' | 'remove' | 'removeTree'>;

/**
 * One layer for each image that has containers, between those of the image and a container's own: mount points and the
 * like, as in Docker. Made once, they cost no container's start or removal anything. What is missing of it, or of a whole
 * one, the start of a container makes in the container's own layer.
 */
export class InitLayers {
  readonly #made: Set<string>;
  readonly #making = new Map<Digest, Promise<void>>();

  constructor(readonly content: Surroundings) {
    this.#made = new Set(readdirSync(content.directories.initLayers));
  }

  /** None, for an image whose containers are of an earlier Gantry. */
  of(imageId: Digest): string[] {
    return this.#made.has(hexOf(imageId)) ? [this.content.directories.initLayer(imageId)] : [];
  }

  /** @param layers of the image, topmost first @throws GantryError not-found when it has gone meanwhile */
  async ensure(imageId: Digest, layers: string[]): Promise<void> {
    if (this.#made.has(hexOf(imageId))) return;
    const making = this.#making.get(imageId) ?? this.#make(imageId, layers);
    this.#making.set(imageId, making);
    await making.finally(() => this.#making.delete(imageId));
  }

  async #make(imageId: Digest, layers: string[]): Promise<void> {
    const { addon, directories, mapping, store } = this.content;
    const temporary = directories.newTemporary();
    const upper = join(temporary, 'upper');
    const work = join(temporary, 'work');
    try {
      mkdirSync(upper, { recursive: true, mode: 0o755 });
      mkdirSync(work);
      await addon.makeInitLayer(layers, upper, work);
      if (!store.image(imageId)) throw notFound(`No such image: ${imageId}`);
      if (mapping.shifts) giveToRoot(upper, mapping);
      this.content.place(upper, directories.initLayer(imageId));
      this.#made.add(hexOf(imageId));
    } finally {
      this.content.removeTree(temporary);
    }
  }

  /** Removes those of images that are gone. */
  sweep(): void {
    const { store, directories } = this.content;
    for (const name of this.#made) {
      const imageId: Digest = `sha256:${name}`;
      if (store.image(imageId)) continue;
      this.#made.delete(name);
      this.content.remove(directories.initLayer(imageId));
    }
  }
}

/** What was just made belongs to the host's root. What was there before has an owner that containers know. */
function giveToRoot(path: string, mapping: IdMapping): void {
  const status = lstatSync(path);
  if (status.uid === 0 && status.gid === 0) lchownSync(path, mapping.root.uid, mapping.root.gid);
  if (!status.isDirectory()) return;
  for (const name of readdirSync(path)) giveToRoot(join(path, name), mapping);
}
