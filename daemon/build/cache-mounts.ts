import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Mutex } from '../containers/mutex.js';
import type { Addon } from '../runtime/addon.js';
import type { BuildCacheStore, CacheMountRow } from '../store/build-cache.js';
import type { Owner } from '../userns/id-mapping.js';

export interface CacheMountRequest {
  /** What Dockerfiles call it, and where its first content comes from: another source is another cache. */
  id: string;
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
  readonly #locks = new Map<string, Mutex>();
  readonly #used = new Map<string, number>();
  readonly #root: string;

  constructor(
    readonly store: BuildCacheStore,
    readonly addon: Addon,
    dataRoot: string,
  ) {
    this.#root = join(dataRoot, 'build-cache');
    mkdirSync(this.#root, { recursive: true, mode: 0o711 });
  }

  /** The directory of a cache, for one step. Locked caches make the next one wait; a private one that is in use gets another. */
  async open(request: CacheMountRequest): Promise<CacheMount> {
    const base = createHash('sha256').update(request.id).digest('hex').slice(0, 32);
    if (request.sharing === 'locked') return this.#openLocked(base, request);
    return this.#open(request.sharing === 'private' ? this.#freeName(base) : base, request);
  }

  async #openLocked(name: string, request: CacheMountRequest): Promise<CacheMount> {
    let lock = this.#locks.get(name);
    if (!lock) this.#locks.set(name, (lock = new Mutex()));
    let unlock = (): void => undefined;
    await new Promise<void>((locked) => {
      void lock.run(() => {
        locked();
        return new Promise<void>((resolve) => (unlock = resolve));
      });
    });
    try {
      const mount = await this.#open(name, request);
      return {
        ...mount,
        release() {
          mount.release();
          unlock();
        },
      };
    } catch (error) {
      unlock();
      throw error;
    }
  }

  async #open(name: string, { id, mode, owner, fill }: CacheMountRequest): Promise<CacheMount> {
    this.#used.set(name, (this.#used.get(name) ?? 0) + 1);
    const release = (): void => {
      const users = (this.#used.get(name) ?? 1) - 1;
      if (users > 0) this.#used.set(name, users);
      else this.#used.delete(name);
    };
    try {
      const directory = join(this.#root, name);
      if (!existsSync(directory)) {
        mkdirSync(directory, { mode: 0o700 });
        await fill(directory);
        chownSync(directory, owner.uid, owner.gid);
        chmodSync(directory, mode);
      }
      this.store.useCacheMount(name, id, Date.now());
      return { directory, release };
    } catch (error) {
      release();
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
