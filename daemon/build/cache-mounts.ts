import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Addon } from '../runtime/addon.js';
import { Slots } from '../slots.js';
import type { BuildCacheStore, CacheMountRow } from '../store/build-cache.js';
import type { Owner } from '../userns/id-mapping.js';

export interface CacheMountRequest {
  /** What Dockerfiles call it, and where its first content comes from: another source is another cache. */
  id: string;
  /** A locked one has to be locked before. */
  sharing: 'shared' | 'private' | 'locked';
  mode: number;
  owner: Owner;
  /** Puts the first content in. */
  fill: (directory: string) => Promise<void>;
}

export interface CacheMount {
  directory: string;
  release(): void;
}

/** The directories of RUN --mount=type=cache, which outlive builds. */
export class CacheMounts {
  readonly #locks = new Map<string, Slots>();
  readonly #used = new Map<string, number>();
  readonly #making = new Map<string, Promise<void>>();
  readonly #root: string;

  constructor(
    readonly store: BuildCacheStore,
    readonly addon: Addon,
    dataRoot: string,
  ) {
    this.#root = join(dataRoot, 'build-cache');
    mkdirSync(this.#root, { recursive: true, mode: 0o711 });
  }

  /**
   * Waits until nobody else has any of these caches. All at once and in one order, or two steps would wait for each other.
   *
   * @returns what lets the next one have them
   * @throws what the signal says
   */
  async lock(ids: readonly string[], signal: AbortSignal): Promise<() => void> {
    const held: (() => void)[] = [];
    const unlock = (): void => held.splice(0).forEach((release) => release());
    try {
      for (const id of [...new Set(ids)].sort()) held.push(await this.#lockOne(nameOf(id), signal));
      return unlock;
    } catch (error) {
      unlock();
      throw error;
    }
  }

  #lockOne(name: string, signal: AbortSignal): Promise<() => void> {
    let lock = this.#locks.get(name);
    if (!lock) this.#locks.set(name, (lock = new Slots(() => 1)));
    return new Promise((locked, rejected) => {
      lock.use(signal, () => new Promise<void>((release) => locked(release))).catch(rejected);
    });
  }

  /** The directory of a cache, for one step. Of a private one that is in use another is made. */
  async open(request: CacheMountRequest): Promise<CacheMount> {
    const base = nameOf(request.id);
    return this.#open(request.sharing === 'private' ? this.#freeName(base) : base, request);
  }

  async #open(name: string, request: CacheMountRequest): Promise<CacheMount> {
    this.#used.set(name, (this.#used.get(name) ?? 0) + 1);
    const release = (): void => {
      const users = (this.#used.get(name) ?? 1) - 1;
      if (users > 0) this.#used.set(name, users);
      else this.#used.delete(name);
    };
    try {
      const directory = join(this.#root, name);
      await this.#made(directory, request);
      this.store.useCacheMount(name, request.id, Date.now());
      return { directory, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Makes the directory unless it is there; who comes meanwhile waits until it is filled. */
  async #made(directory: string, request: CacheMountRequest): Promise<void> {
    const making = this.#making.get(directory) ?? (existsSync(directory) ? undefined : this.#make(directory, request));
    if (making === undefined) return;
    this.#making.set(directory, making);
    try {
      await making;
    } finally {
      this.#making.delete(directory);
    }
  }

  async #make(directory: string, { owner, mode, fill }: CacheMountRequest): Promise<void> {
    mkdirSync(directory, { mode: 0o700 });
    try {
      await fill(directory);
      chownSync(directory, owner.uid, owner.gid);
      chmodSync(directory, mode);
    } catch (error) {
      await this.addon.removeTree(directory);
      throw error;
    }
  }

  #freeName(base: string): string {
    const known = [
      base,
      ...this.store.cacheMounts().flatMap(({ name }) => (name.startsWith(`${base}-`) ? [name] : [])),
    ];
    return known.find((name) => !this.#used.has(name)) ?? `${base}-${randomBytes(4).toString('hex')}`;
  }

  isUsed(name: string): boolean {
    return this.#used.has(name);
  }

  size({ name }: CacheMountRow): Promise<number> {
    const directory = join(this.#root, name);
    return existsSync(directory) ? this.addon.diskUsage(directory) : Promise.resolve(0);
  }

  /** Removes a cache that no step uses. */
  async remove({ name }: CacheMountRow): Promise<void> {
    this.store.deleteCacheMount(name);
    await this.addon.removeTree(join(this.#root, name));
  }

  /** At start: directories that no row names go. */
  async collectGarbage(): Promise<void> {
    const known = new Set(this.store.cacheMounts().map(({ name }) => name));
    for (const name of readdirSync(this.#root))
      if (!known.has(name)) await this.addon.removeTree(join(this.#root, name));
  }
}

/** What a cache is called on the disk. */
const nameOf = (id: string): string => createHash('sha256').update(id).digest('hex').slice(0, 32);
