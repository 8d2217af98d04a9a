import type { FastifyBaseLogger } from 'fastify';
import { conflict, GantryError } from '../errors.js';
import type { Addon } from '../runtime/addon.js';
import type { ContainerStore } from '../store/containers.js';
import type { Container } from './container.js';
import type { ContainerDirectories } from './directories.js';
import type { ContainerEvents } from './events.js';
import type { Lifecycle } from './lifecycle.js';
import type { ContainerRegistry } from './registry.js';
import { isActive } from './state.js';

/** What a removal needs from the volumes. */
export interface VolumeRemoval {
  /** The volume does not go with its container. */
  keep(name: string): void;
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
    /** Forgets what others keep about the container. */
    readonly onRemoved: (container: Container) => void,
    /** Frees what only this container kept of its image. */
    readonly releaseImage: () => void,
    readonly logger: FastifyBaseLogger,
  ) {
    lifecycle.onAutoRemove = (container) => {
      // Not awaited: the caller holds the container's lock.
      this.remove(container, { volumes: true }).catch((error: unknown) => {
        // Somebody else removes it, or has started it again: then its next end removes it.
        if (error instanceof GantryError && error.kind === 'conflict') return;
        this.logger.error({ err: error, container: container.id }, 'could not remove a container that ended');
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
    if (!options.force) this.#refuseRunning(container);
    while (!(await this.#tryRemove(container, options)));
  }

  /** @returns false when a start came between the end of the container and its removal, which force means to end, too */
  async #tryRemove(container: Container, options: { force?: boolean; volumes?: boolean }): Promise<boolean> {
    if (options.force) await this.lifecycle.forceStop(container);
    return container.lock.run(async () => {
      // Another removal (--rm, or a second client) was faster: the container is as wanted.
      if (this.registry.find(container.id) !== container) return true;
      if (options.force && isActive(container.state)) return false;
      this.#refuseRunning(container);
      await this.#delete(container, options.volumes ?? false);
      return true;
    });
  }

  #refuseRunning(container: Container): void {
    const { status } = container.state;
    const problem = (state: string, what: string): Error =>
      conflict(`cannot remove container "${container.name}": container is ${state}: ${what}`);
    if (status === 'paused')
      throw problem('paused', 'unpause and then stop the container before removing or force remove');
    if (status === 'running') throw problem('running', 'stop the container before removing or force remove');
    if (status === 'restarting') throw problem('restarting', 'stop the container before removing or force remove');
  }

  /** The row goes first: what is left of a removal cut short is garbage, which the next start collects. */
  async #delete(container: Container, volumes: boolean): Promise<void> {
    container.state.status = 'removing';
    this.lifecycle.forget(container);
    const anonymous = container.mounts.filter((mount) => mount.anonymous).map(({ name }) => name);
    // What is not kept goes even if the daemon is killed in between.
    if (!volumes) for (const name of anonymous) this.volumes.keep(name);
    this.store.delete(container.id);
    this.#discard(container);
    this.registry.remove(container);
    this.onRemoved(container);
    if (volumes) for (const name of anonymous) await this.volumes.removeUnused(name);
    this.releaseImage();
    this.events.publish(container, 'destroy');
    this.#release(container);
  }

  /** The disk may take its time: what is left of the container is out of sight, and goes without anybody waiting. */
  #discard(container: Container): void {
    try {
      this.addon.removeTree(this.directories.discardData(container.id)).catch((error: unknown) => {
        this.logger.error(
          { err: error, container: container.id },
          'files of a removed container remain until the next start',
        );
      });
    } catch (error) {
      // It is still there, cannot be started, and can be removed once what is in the way has gone.
      container.state.status = 'dead';
      throw error;
    }
  }

  /** Lets go whoever waits for something that will not happen any more. */
  #release(container: Container): void {
    for (const giveUp of [...container.pendingAttachments.values()]) giveUp();
    const { exitCode } = container.state;
    for (const waiters of [container.removalWaiters, container.exitWaiters]) {
      for (const resolve of [...waiters]) resolve({ exitCode });
      waiters.clear();
    }
  }
}
