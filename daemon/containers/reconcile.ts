import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import type { Addon } from '../runtime/addon.js';
import type { ShimClient, ShimState } from '../runtime/shim-client.js';
import type { Shims } from '../runtime/shims.js';
import type { ContainerStore } from '../store/containers.js';
import { Container } from './container.js';
import type { ContainerDirectories } from './directories.js';
import { readExitRecord } from './exit-record.js';
import { hasJustEnded } from './just-ended.js';
import type { Launcher } from './launch.js';
import type { Lifecycle } from './lifecycle.js';
import type { ContainerRegistry } from './registry.js';
import { shouldStartWithDaemon } from './restart-policy.js';
import { isRunning } from './state.js';
import { within } from './within.js';

/** Milliseconds that the start of the daemon waits for shims. One may be stopped, or wait for a disk. */
const shimPatience = 3000;

/** Makes SQLite and the world agree after the daemon was away: shims that run on, exits that nobody saw, garbage. */
export class Reconciliation {
  readonly #open = new Set<string>();

  constructor(
    readonly addon: Addon,
    readonly shims: Shims,
    readonly registry: ContainerRegistry,
    readonly store: ContainerStore,
    readonly directories: ContainerDirectories,
    readonly launcher: Launcher,
    readonly lifecycle: Lifecycle,
    readonly cgroupParent: string,
    readonly logger: FastifyBaseLogger,
  ) {}

  /** Reads every container from SQLite. Nothing is asked of the shims yet, so this is quick however many there are. */
  load(): void {
    for (const { record, state } of this.store.all()) this.registry.add(new Container(record, state));
  }

  /** Finds the shims, takes in what happened while nobody looked, and removes what no container owns. */
  async run(): Promise<void> {
    const bundles = new Set(list(join(this.directories.execRoot, 'containers')));
    const all = Promise.all(this.registry.all().map((container) => this.#settle(container, bundles.has(container.id))));
    if (!(await within(all, shimPatience))) {
      this.logger.warn({ containers: [...this.#open] }, 'shims do not answer; what is asked of their containers waits');
    }
    await this.#collectGarbage(bundles);
    this.#startByPolicy();
  }

  /** Whether it is not known yet what became of a container while the daemon was away. */
  isOpen(id: string): boolean {
    return this.#open.has(id);
  }

  async #settle(container: Container, hasBundle: boolean): Promise<void> {
    this.#open.add(container.id);
    try {
      await container.lock.run(() => this.#reconcile(container, hasBundle));
    } catch (error) {
      this.logger.error({ err: error, container: container.id }, 'could not reconcile a container');
    }
    this.#open.delete(container.id);
  }

  async #reconcile(container: Container, hasBundle: boolean): Promise<void> {
    const { state } = container;
    // Its volumes stay in their places until it is known that it does not run.
    if (hasBundle) this.launcher.volumes.adopt(container);
    const client = hasBundle ? await this.#connect(container) : undefined;
    if (client) {
      const actual = await stateOf(client);
      if (actual?.status === 'running') {
        Object.assign(state, {
          status: state.status === 'paused' ? 'paused' : 'running',
          pid: actual.pid,
          startedAt: actual.startedAt,
        });
        this.store.saveState(container);
        container.previousShim = this.shims.endOf(state.shimPid, client);
        this.lifecycle.adopt(container, client);
        this.lifecycle.health.resume(container);
        await this.lifecycle.endpoints.repair(container);
        return;
      }
      client.close();
    }
    const exit = readExitRecord(this.directories.data(container.id, 'exit.json'));
    const unseen = exit !== undefined && exit.startedAt !== state.startedAt;
    if (!isRunning(state) && !unseen) {
      await this.launcher.volumes.disown(container);
      // A creation that was cut off is completed.
      return this.launcher.volumes.copyUp.run(container);
    }
    if (unseen) state.startedAt = exit.startedAt;
    await this.lifecycle.exited(container, exit);
  }

  async #connect(container: Container): Promise<Awaited<ReturnType<Shims['connect']>> | undefined> {
    const bundle = this.directories.bundle(container.id);
    if (!existsSync(join(bundle, 'shim.sock'))) return undefined;
    try {
      return await this.shims.connect(bundle);
    } catch {
      return undefined; // nobody listens: the shim is gone
    }
  }

  async #collectGarbage(bundles: ReadonlySet<string>): Promise<void> {
    const owned = (id: string): boolean => this.registry.find(id) !== undefined;
    const running = (id: string): boolean => this.isOpen(id) || (this.registry.find(id)?.running ?? false);
    for (const id of bundles) if (!running(id)) await this.addon.removeTree(this.directories.bundle(id));
    for (const id of list(join(this.directories.dataRoot, 'containers'))) {
      if (!owned(id)) await this.addon.removeTree(this.directories.data(id));
    }
    for (const id of await this.addon.cgroupChildren(this.cgroupParent)) {
      if (/^[0-9a-f]{64}$/.test(id) && !running(id)) await this.addon.cgroupRemove(join(this.cgroupParent, id));
    }
  }

  #startByPolicy(): void {
    for (const container of this.registry.all()) {
      const { state, hostConfig } = container;
      if (this.isOpen(container.id)) continue;
      const restarting = state.status === 'restarting' || state.status === 'exited';
      if (restarting && shouldStartWithDaemon(hostConfig.RestartPolicy, state))
        this.lifecycle.resumeRestarts(container);
    }
  }
}

/** Undefined for a shim that ends before it has answered: what became of the container is in its exit record. */
async function stateOf(client: ShimClient): Promise<ShimState | undefined> {
  try {
    return await client.state();
  } catch (error) {
    if (hasJustEnded(error)) return undefined;
    throw error;
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
