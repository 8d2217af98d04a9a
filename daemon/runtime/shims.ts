import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Addon } from './addon.js';
import { ShimClient } from './shim-client.js';

export interface SpawnedShim {
  pid: number;
  client: ShimClient;
  /** Resolves when it has ended. */
  ended: Promise<void>;
}

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

  /** Starts a shim for the bundle. The shim keeps its own copies of the namespaces and of the sockets. */
  spawn(bundle: string, namespaces: { network?: number; user?: number } = {}, sockets: number[] = []): SpawnedShim {
    const { pid, control } = this.addon.spawnShim({
      shim: this.#executable,
      bundle,
      log: join(bundle, 'shim.log'),
      ...(namespaces.network !== undefined && { networkNamespace: namespaces.network, sockets }),
      ...(namespaces.user !== undefined && { userNamespace: namespaces.user }),
    });
    const client = ShimClient.fromDescriptor(control, bundle);
    return { pid, client, ended: this.endOf(pid, client) };
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
    if (pid > 0) this.addon.reap(pid);
    if (isShim(pid)) setTimeout(() => this.#awaitEnd(pid, done, Math.min(delay * 2, 1000)), delay);
    else done();
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
