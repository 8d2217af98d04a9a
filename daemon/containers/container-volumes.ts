import type { FastifyBaseLogger } from 'fastify';
import { invalid, notFound } from '../errors.js';
import type { Addon, NativeError } from '../runtime/addon.js';
import type { Container, ContainerMount } from './container.js';
import { UndoStack } from './undo.js';
import type { CopyUp, ImageLayers } from './volume-copy-up.js';

/** What a container's run needs from the volumes. */
export interface MountableVolumes {
  /** Brings the volume to its directory, and tells of it. */
  mount(use: { name: string; destination: string; propagation: string; readWrite: boolean }, id: string): Promise<void>;
  unmount(name: string, id: string): Promise<void>;
  /** The container may have run already when the daemon came up. */
  adopt(name: string, id: string): void;
  /** As `unmount`, without telling of it. */
  release(name: string, id: string): Promise<void>;
}

/** Has the volumes of containers in their places while they are used. */
export class ContainerVolumes {
  constructor(
    readonly addon: Addon,
    readonly images: ImageLayers,
    readonly volumes: MountableVolumes,
    readonly copyUp: CopyUp,
    readonly logger: FastifyBaseLogger,
  ) {}

  /** For a start. */
  async prepare(container: Container, undo: UndoStack): Promise<void> {
    await this.copyUp.run(container);
    await this.#mount(container, undo);
  }

  /** The counterpart, once the container has ended. */
  async unmount(container: Container): Promise<void> {
    await this.#forEach(container, (name) => this.volumes.unmount(name, container.id));
  }

  /** While `work` lasts, for a container that does not run. */
  async with<Result>(container: Container, work: () => Promise<Result>): Promise<Result> {
    const undo = new UndoStack();
    try {
      await this.#mount(container, undo);
      return await work();
    } finally {
      await undo.rollBack(this.logger);
    }
  }

  /** For a container that may have run already when the daemon came up. */
  adopt(container: Container): void {
    for (const { type, name } of container.mounts) if (type === 'volume') this.volumes.adopt(name, container.id);
  }

  /** It turned out that it does not run. */
  async disown(container: Container): Promise<void> {
    await this.#forEach(container, (name) => this.volumes.release(name, container.id));
  }

  async #mount(container: Container, undo: UndoStack): Promise<void> {
    for (const mount of container.mounts) {
      if (mount.type === 'volume') {
        await this.volumes.mount(mount, container.id);
        undo.push(() => this.volumes.unmount(mount.name, container.id));
      }
      if (mount.subpath !== undefined) await this.#checkSubpath(mount, mount.subpath);
    }
  }

  /** Tells early, in Docker's words, what the shim would find. It is the shim that opens the path, in one step. */
  async #checkSubpath({ type, source, name }: ContainerMount, subpath: string): Promise<void> {
    try {
      if (type === 'volume') await this.addon.lookBeneath(source, subpath);
      else
        await this.addon.statPath({ kind: 'overlay', lower: this.images.layerDirectories(source), binds: [] }, subpath);
    } catch (error) {
      const { code, message } = error as NativeError;
      if (code === 'EXDEV') throw invalid(message, error);
      const path = `${name}/${subpath}`;
      throw notFound(
        type === 'volume' ? message : `cannot access path ${path}: lstat ${path}: no such file or directory`,
      );
    }
  }

  /** What fails for one volume is logged and does not stop the others. */
  async #forEach(container: Container, release: (name: string) => Promise<void>): Promise<void> {
    for (const { type, name } of container.mounts) {
      if (type !== 'volume') continue;
      await release(name).catch((error: unknown) => {
        this.logger.error({ err: error, container: container.id, volume: name }, 'could not unmount a volume');
      });
    }
  }
}
