import { Mutex } from '../containers/mutex.js';
import { internal } from '../errors.js';
import type { Addon } from '../runtime/addon.js';
import { resolveDevice, type VolumeDevice } from './options.js';

/**
 * The mounts of volumes that have a device: on the volume's directory on the host, from the first user to the last. Users
 * are kept as a set of names and not as a count, so that nothing is lost or counted twice when a daemon is killed: the next
 * one is told who runs (adopt) and then takes off what nobody uses (settle).
 */
export class VolumeMounts {
  readonly #users = new Map<string, Set<string>>();
  readonly #locks = new Map<string, Mutex>();
  #settled = false;

  constructor(readonly addon: Addon) {}

  /** Mounts the device unless somebody uses it already. @throws GantryError internal, with Docker's words */
  acquire(path: string, device: VolumeDevice, user: string): Promise<void> {
    return this.#locked(path, async () => {
      const users = this.#usersOf(path);
      if (users.size === 0 && !this.addon.isMountPoint(path)) await this.#mount(path, device);
      users.add(user);
    });
  }

  /** The last one unmounts it. */
  release(path: string, user: string): Promise<void> {
    return this.#locked(path, async () => {
      const users = this.#usersOf(path);
      users.delete(user);
      if (users.size > 0 || !this.#settled) return;
      await this.addon.unmountVolume(path);
      this.#users.delete(path);
    });
  }

  /** Somebody who used it already when the daemon came up. */
  adopt(path: string, user: string): void {
    this.#usersOf(path).add(user);
  }

  /** All users are known now: unmounts the others of these. */
  async settle(paths: readonly string[]): Promise<void> {
    this.#settled = true;
    for (const path of paths) {
      await this.#locked(path, async () => {
        if (this.#usersOf(path).size === 0) await this.addon.unmountVolume(path);
      });
    }
  }

  async #mount(path: string, device: VolumeDevice): Promise<void> {
    try {
      const { type, device: source, options } = await resolveDevice(device);
      await this.addon.mountVolume(type, source, options, path).catch((error: unknown) => {
        const what = `failed to mount local volume: mount ${source}:${path}`;
        throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
      });
    } catch (error) {
      throw internal(`error while mounting volume '${path}': ${(error as Error).message}`, error);
    }
  }

  #usersOf(path: string): Set<string> {
    let users = this.#users.get(path);
    if (!users) this.#users.set(path, (users = new Set()));
    return users;
  }

  #locked<Result>(path: string, task: () => Promise<Result>): Promise<Result> {
    let lock = this.#locks.get(path);
    if (!lock) this.#locks.set(path, (lock = new Mutex()));
    return lock.run(task);
  }
}
