import type { FastifyBaseLogger } from 'fastify';
import { conflict } from '../errors.js';
import type { Addon } from '../runtime/addon.js';
import type { ContainerStore } from '../store/containers.js';
import type { Container } from './container.js';
import type { ContainerDirectories } from './directories.js';
import type { ContainerEvents } from './events.js';
import type { Lifecycle } from './lifecycle.js';
import type { ContainerRegistry } from './registry.js';

/** What a removal needs from the volumes. */
export interface VolumeRemoval {
  /** Removes the volume unless somebody else uses it. */
  removeUnused(name: string): Promise<void>;
}

/** Removes containers and what belongs to them alone. */
export class Removal {
  constructor(
    readonly addon: Addon,
    readonly registry: ContainerRegistry,
    readonly store: ContainerStore,
    readonly directories: ContainerDirectories,
    readonly lifecycle: Lifecycle,
    readonly volumes: VolumeRemoval,
    readonly events: ContainerEvents,
    /** Frees what only this container kept of its image. */
    readonly releaseImage: () => void,
    readonly logger: FastifyBaseLogger,
  ) {
    lifecycle.onAutoRemove = (container) => {
      // Not awaited: the caller holds the container's lock.
      this.remove(container, { volumes: true }).catch((error: unknown) => {
        this.logger.error({ error, container: container.id }, 'could not remove a container that ended');
      });
    };
  }

  /**
   * @param options.force kill it if it runs
   * @param options.volumes also remove the anonymous volumes it was given
   * @throws GantryError conflict when it runs and force is not given, or is being removed already
   */
  async remove(container: Container, options: { force?: boolean; volumes?: boolean } = {}): Promise<void> {
    if (container.state.status === 'removing') {
      throw conflict(`removal of container ${container.id} is already in progress`);
    }
    if (options.force) await this.lifecycle.forceStop(container);
    else this.#refuseRunning(container);
    await container.lock.run(async () => {
      // Another removal (--rm, or a second client) was faster: the container is as wanted.
      if (this.registry.find(container.id) !== container) return;
      this.#refuseRunning(container);
      await this.#delete(container, options.volumes ?? false);
    });
  }

  #refuseRunning(container: Container): void {
    const { status } = container.state;
    const problem = (state: string, what: string): Error =>
      conflict(`cannot remove container "/${container.name}": container is ${state}: ${what}`);
    if (status === 'paused')
      throw problem('paused', 'unpause and then stop the container before removing or force remove');
    if (status === 'running') throw problem('running', 'stop the container before removing or force remove');
    if (status === 'restarting') throw problem('restarting', 'stop the container before removing or force remove');
  }

  /** The row goes first: what is left of a removal cut short is garbage, which the next start collects. */
  async #delete(container: Container, volumes: boolean): Promise<void> {
    container.state.status = 'removing';
    this.lifecycle.forget(container);
    this.store.delete(container.id);
    await this.addon.removeTree(this.directories.data(container.id));
    this.registry.remove(container);
    if (volumes) await this.#removeVolumes(container);
    this.releaseImage();
    this.events.publish(container, 'destroy');
    for (const resolve of container.removalWaiters) resolve({ exitCode: container.state.exitCode });
    container.removalWaiters.clear();
  }

  async #removeVolumes(container: Container): Promise<void> {
    for (const mount of container.mounts) if (mount.anonymous) await this.volumes.removeUnused(mount.name);
  }
}
