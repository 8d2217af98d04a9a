import { invalid } from '../errors.js';
import type { Addon, NativeError, Root } from '../runtime/addon.js';
import type { ContainerStore } from '../store/containers.js';
import type { Filling } from '../volumes/filling.js';
import type { Container, ContainerMount } from './container.js';
import type { ContainerDirectories } from './directories.js';

/** The directories that an image brings, topmost first. */
export interface ImageLayers {
  layerDirectories(imageId: string): string[];
}

/** What copy-up needs from the volumes. */
export interface FillableVolumes {
  fill(name: string, user: string, filling: Filling): Promise<void>;
}

/**
 * Gives an empty volume what the container has at its place, once in its life: when it is made, or when the daemon starts
 * after it was killed in between. A volume that was emptied later stays empty.
 */
export class CopyUp {
  constructor(
    readonly addon: Addon,
    readonly store: ContainerStore,
    readonly directories: ContainerDirectories,
    readonly images: { containerLayers(imageId: string): string[] },
    readonly volumes: FillableVolumes,
  ) {}

  /** @throws GantryError invalid where the container has something that is no directory */
  async run(container: Container): Promise<void> {
    const pending = container.mounts.filter(({ type, copyUp }) => type === 'volume' && copyUp);
    if (pending.length === 0) return;
    const root: Root = { kind: 'overlay', lower: this.images.containerLayers(container.imageId), binds: [] };
    for (const mount of pending) {
      await this.volumes.fill(mount.name, `${container.id} copy-up`, this.#filling(container, mount, root));
      mount.copyUp = false;
      delete mount.copyUpBegun;
      this.store.saveMounts(container);
    }
  }

  #filling(container: Container, mount: ContainerMount, root: Root): Filling {
    const { destination, subpath, copyUpBegun = false, device = false } = mount;
    // A container with the host's ids sees what is on a device without a map.
    const idMap = device && container.hasHostIds && { idMap: this.directories.mapping };
    return {
      ...(subpath !== undefined && { subpath }),
      begun: copyUpBegun,
      begin: () => {
        mount.copyUpBegun = true;
        this.store.saveMounts(container);
      },
      hasContent: () => this.#hasDirectory(root, destination),
      populate: async (directory, path) => {
        const [output, input] = this.addon.pipe();
        await Promise.all([
          this.addon.pack(root, `${destination}/.`, input, { as: '.', ...idMap }),
          this.addon.unpack({ kind: 'directory', path: directory }, path, output, { topAttributes: true }),
        ]);
      },
    };
  }

  async #hasDirectory(root: Root, path: string): Promise<boolean> {
    try {
      // With "/." a link at the end is followed, as the mount will follow it.
      const { mode } = await this.addon.statPath(root, `${path}/.`);
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
