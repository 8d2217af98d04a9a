import { basename, dirname } from 'node:path';
import { invalid } from '../errors.js';
import type { Addon, NativeError, Root } from '../runtime/addon.js';
import type { ContainerStore } from '../store/containers.js';
import type { Container } from './container.js';

/** The directories that an image brings, topmost first. */
export interface ImageLayers {
  layerDirectories(imageId: string): string[];
}

/** What copy-up needs from the volumes. */
export interface FillableVolumes {
  /** Has `populate` fill the volume if it is empty. */
  fill(name: string, user: string, populate: (directory: string) => Promise<void>): Promise<void>;
}

/**
 * Gives an empty volume what the image has at its place, once in a container's life: when it is made, or at its first start
 * if the daemon was killed in between. A volume that was emptied later stays empty.
 */
export class CopyUp {
  constructor(
    readonly addon: Addon,
    readonly store: ContainerStore,
    readonly images: ImageLayers,
    readonly volumes: FillableVolumes,
  ) {}

  /** @throws GantryError invalid where the image has something that is no directory */
  async run(container: Container): Promise<void> {
    const pending = container.mounts.filter(({ type, copyUp }) => type === 'volume' && copyUp);
    if (pending.length === 0) return;
    const image: Root = { kind: 'overlay', lower: this.images.layerDirectories(container.imageId), binds: [] };
    for (const { name, destination } of pending) {
      if (!(await this.#hasDirectory(image, destination))) continue;
      await this.volumes.fill(name, `${container.id} copy-up`, (directory) =>
        this.#copy(image, destination, directory),
      );
    }
    for (const mount of pending) mount.copyUp = false;
    this.store.saveMounts(container);
  }

  /** Owners and modes included. */
  async #copy(image: Root, source: string, directory: string): Promise<void> {
    const [output, input] = this.addon.pipe();
    await Promise.all([
      // As an entry of the archive the directory itself brings its owner and mode along.
      this.addon.pack(image, `${source}/.`, input, { as: basename(directory) }),
      this.addon.unpack({ kind: 'directory', path: dirname(directory) }, '/', output, {}),
    ]);
  }

  async #hasDirectory(image: Root, path: string): Promise<boolean> {
    try {
      // With "/." a link at the end is followed, as the mount will follow it.
      const { mode } = await this.addon.statPath(image, `${path}/.`);
      return isDirectory(mode);
    } catch (error) {
      const { code } = error as NativeError;
      if (code === 'ENOTDIR') throw invalid(`source ${path} is not directory`, error);
      if (code === 'ENOENT') return false;
      throw error;
    }
  }
}

/** Bit 31 is Go's os.ModeDir; >>> because bitwise operators are signed. */
const isDirectory = (mode: number): boolean => mode >>> 31 === 1;
