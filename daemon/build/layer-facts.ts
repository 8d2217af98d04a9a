import type { Digest } from '../images/digest.js';
import type { BuildLayer } from './layers.js';

/** So many are remembered; each is as long as a path or two. */
const maximum = 4096;

/**
 * What has been read out of layers, by builds of this daemon: the digest of what a COPY --from takes, the ids of a user.
 * Layers never change, so that the next build need not look.
 */
export class LayerFacts {
  /** Last used last. */
  readonly #facts = new Map<string, unknown>();

  constructor(readonly capacity = maximum) {}

  /**
   * @param layers bottom first; nothing is remembered of what is not in the store yet
   * @param what distinguishes it from everything else that is read of these layers
   */
  async of<Fact>(layers: readonly BuildLayer[], what: readonly unknown[], read: () => Promise<Fact>): Promise<Fact> {
    const chainId = layers.at(-1)?.chainId;
    return chainId === undefined ? read() : this.#remembered(chainId, what, read);
  }

  async #remembered<Fact>(chainId: Digest, what: readonly unknown[], read: () => Promise<Fact>): Promise<Fact> {
    const key = JSON.stringify([chainId, what]);
    const fact = this.#facts.has(key) ? (this.#facts.get(key) as Fact) : await read();
    this.#facts.delete(key);
    this.#facts.set(key, fact);
    if (this.#facts.size > this.capacity) this.#facts.delete(this.#facts.keys().next().value!);
    return fact;
  }
}
