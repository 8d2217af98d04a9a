import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Addon } from './addon.js';
import { ShimClient } from './shim-client.js';
import { Spare } from './spare.js';

/** A shim that waits for its assignment. It ends when `control` is closed, and so with the daemon. */
interface IdleShim {
  pid: number;
  control: number;
}

export interface SpawnedShim {
  pid: number;
  client: ShimClient;
  /** Resolves when it has ended. */
  ended: Promise<void>;
}

/** Starts shims, and finds those that an earlier daemon started. */
export class Shims {
  readonly #spare: Spare<IdleShim>;

  /**
   * @param path the gantry-shim executable; copied once into a sealed memfd that all shims run from
   * @param bundleLength bytes of the path of every bundle
   */
  constructor(
    readonly addon: Addon,
    path: string,
    bundleLength: number,
  ) {
    const executable = addon.loadShim(path);
    this.#spare = new Spare(() => addon.spawnShim(executable, bundleLength));
  }

  /** Gives the bundle a shim, which keeps its own copies of the namespaces and of the sockets. */
  async assign(
    bundle: string,
    namespaces: { network?: number; user?: number } = {},
    sockets: number[] = [],
  ): Promise<SpawnedShim> {
    const assignment = {
      bundle,
      log: join(bundle, 'shim.log'),
      sockets,
      ...(namespaces.network !== undefined && { networkNamespace: namespaces.network }),
      ...(namespaces.user !== undefined && { userNamespace: namespaces.user }),
    };
    const { pid, control } = await this.#assigned(assignment);
    const client = ShimClient.fromDescriptor(control, bundle);
    return { pid, client, ended: this.endOf(pid, client) };
  }

  /** Makes sure that the next start finds a shim that is up. */
  prepare(): void {
    this.#spare.replace();
  }

  async #assigned(assignment: Parameters<Addon['assignShim']>[1]): Promise<IdleShim> {
    for (let attempt = 1; ; attempt++) {
      const shim = await this.#spare.take();
      try {
        this.addon.assignShim(shim.control, assignment);
        return shim;
      } catch (error) {
        this.addon.closeDescriptor(shim.control);
        this.#awaitEnd(shim.pid, () => undefined);
        // Somebody has killed it while it waited. The next one is new.
        if (attempt > 1 || (error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
      }
    }
  }

  /** Resolves when the shim has ended, and with it its mounts: a moment after it has closed its sockets. */
  endOf(pid: number, client: ShimClient): Promise<void> {
    return new Promise((resolve) => client.once('close', () => this.#awaitEnd(pid, resolve)));
  }

  /** @throws Error when no shim listens there */
  connect(bundle: string): Promise<ShimClient> {
    return ShimClient.connect(bundle);
  }

  /** Its end may wait for the disk. */
  #awaitEnd(pid: number, done: () => void, delay = 2): void {
    if (pid > 0 && this.addon.reap(pid)) return done();
    if (isShim(pid)) setTimeout(() => this.#awaitEnd(pid, done, Math.min(delay * 2, 1000)), delay);
    else {
      if (pid > 0) this.addon.reap(pid); // it has ended since
      done();
    }
  }
}

/** The id may be another process's by now. A process that has ended, reaped or not, has no executable any more. */
function isShim(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`).startsWith('/memfd:gantry-shim');
  } catch {
    return false;
  }
}
