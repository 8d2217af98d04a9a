import { join } from 'node:path';
import type { Addon } from './addon.js';
import { ShimClient } from './shim-client.js';

/** Starts shims, and finds those that an earlier daemon started. */
export class Shims {
  readonly #executable: number;

  /** @param path the gantry-shim executable; copied once into a sealed memfd that all shims run from */
  constructor(
    readonly addon: Addon,
    path: string,
  ) {
    this.#executable = addon.loadShim(path);
  }

  /** Starts a shim for the bundle. The shim keeps its own copies of `networkNamespace` and of the sockets. */
  spawn(
    bundle: string,
    networkNamespace?: number,
    sockets: number[] = [],
  ): { pid: number; client: ShimClient; ended: Promise<void> } {
    const { pid, control } = this.addon.spawnShim({
      shim: this.#executable,
      bundle,
      log: join(bundle, 'shim.log'),
      ...(networkNamespace !== undefined && { networkNamespace, sockets }),
    });
    const client = ShimClient.fromDescriptor(control, bundle);
    const ended = new Promise<void>((resolve) => client.once('close', () => this.#reap(pid, resolve)));
    return { pid, client, ended };
  }

  /** @throws Error when no shim listens there */
  connect(bundle: string): Promise<ShimClient> {
    return ShimClient.connect(bundle);
  }

  /** The shim closes its sockets a moment before it ends, and its end may wait for the disk. */
  #reap(pid: number, done: () => void, delay = 2): void {
    this.addon.reap(pid);
    if (isAlive(pid)) setTimeout(() => this.#reap(pid, done, Math.min(delay * 2, 1000)), delay);
    else done();
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
