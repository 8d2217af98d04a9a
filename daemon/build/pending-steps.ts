import type { CacheEntry, StepCache } from './cache.js';
import type { BuildLayer } from './layers.js';

interface Pending {
  entry: CacheEntry;
  below: readonly BuildLayer[];
  layer: BuildLayer | undefined;
  ready: boolean;
}

/**
 * Steps of a stage that are done, and whose layers are still being packed while the next step runs. A layer moves when it is
 * published, so that happens only between steps.
 */
export class PendingSteps {
  readonly #pending: Pending[] = [];

  constructor(readonly cache: StepCache) {}

  add(entry: CacheEntry, below: readonly BuildLayer[], layer: BuildLayer | undefined): void {
    const pending: Pending = { entry, below, layer, ready: layer === undefined };
    this.#pending.push(pending);
    const onReady = (): void => {
      pending.ready = true;
    };
    layer?.described.then(onReady, () => undefined);
  }

  /** Publishes what is packed by now. To be called between two steps. */
  async publishReady(): Promise<void> {
    while (this.#pending[0]?.ready) await this.#publishFirst();
  }

  /** Waits for the rest. To be called after the last step, also after one that failed. */
  async publishAll(): Promise<void> {
    while (this.#pending.length > 0) await this.#publishFirst();
  }

  async #publishFirst(): Promise<void> {
    const { entry, below, layer } = this.#pending.shift()!;
    await this.cache.keep(entry, below, layer);
  }
}
