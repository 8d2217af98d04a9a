import type { Digest } from '../images/digest.js';
import type { BuildCacheStore, StoredStepRow } from '../store/build-cache.js';
import { chainIdOf, type BuildLayer, type BuildLayers } from './layers.js';

/** What a step is known by, and what it stands on. */
export interface CacheEntry {
  key: string;
  /** What it is known by on any ground, for a step that does not depend on it. */
  linkedKey?: string | undefined;
  parentKey: string;
  description: string;
  /** RFC 3339. */
  created: string;
}

/** What a step made before. */
export interface CachedStep {
  /** Undefined for a step that changes no file. */
  layer: BuildLayer | undefined;
  created: string;
}

/** The steps of earlier builds, as one build uses them. */
export class StepCache {
  readonly #used: string[] = [];

  constructor(
    readonly store: BuildCacheStore,
    readonly layers: BuildLayers,
  ) {}

  /**
   * The layer that a step made before on the same ground.
   *
   * @returns undefined when the step has to run
   */
  async find(key: string, below: readonly BuildLayer[]): Promise<CachedStep | undefined> {
    const ground = await chainIdOf(below);
    const row = this.store.storedStep(key);
    if (!row || row.ground !== ground) return undefined;
    const layer = this.#layerOf(row);
    if (row.chain_id && !layer) return undefined;
    this.#used.push(key);
    return { layer, created: new Date(row.created).toISOString() };
  }

  /** The layer of a step that does not depend on what it is made on, ready to be put on other ground. */
  async findLinked(linkedKey: string): Promise<CachedStep | undefined> {
    const row = this.store.storedStep(linkedKey);
    const layer = row && this.#layerOf(row);
    if (!layer) return undefined;
    this.#used.push(linkedKey);
    return { layer: await this.layers.moved(layer), created: new Date(row.created).toISOString() };
  }

  #layerOf({ chain_id, blob, diff_id, blob_size }: StoredStepRow): BuildLayer | undefined {
    if (chain_id === null || blob === null || diff_id === null || blob_size === null) return undefined;
    return this.layers.hold({ chain_id, blob, diff_id, blob_size });
  }

  /** Notes, for all at once, that what was found has been of use. */
  noteUse(): void {
    if (this.#used.length > 0) this.store.useSteps(this.#used.splice(0), Date.now());
  }

  /** Remembers a step, and gives its layer a place in the store. */
  async keep(entry: CacheEntry, below: readonly BuildLayer[], layer: BuildLayer | undefined): Promise<void> {
    const ground = await chainIdOf(below);
    if (!layer) return this.#save(entry, ground);
    await this.layers.publish(layer, ground, ({ chainId, blob, size }) =>
      this.#save(entry, ground, { chain_id: chainId, blob, size }),
    );
  }

  #save(
    { key, linkedKey, parentKey, description, created }: CacheEntry,
    ground: Digest,
    layer: { chain_id: string | null; blob: string | null; size: number } = { chain_id: null, blob: null, size: 0 },
  ): void {
    const times = { created: Date.parse(created), last_used: Date.now() };
    this.store.saveStep({ key, parent_key: parentKey, ground, description, ...layer, ...times });
    // It goes with the step, of whose size it has no share.
    const linked = { ...layer, size: 0, ...times };
    if (linkedKey) this.store.saveStep({ key: linkedKey, parent_key: key, ground, description, ...linked });
  }
}
