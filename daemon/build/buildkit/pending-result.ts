import type { BuildExport } from '../build-export.js';
import type { ReportProgress } from '../build-progress.js';
import type { BuildRequest } from '../build-request.js';
import type { Build, BuildResult, Inspection } from '../build-result.js';
import type { Material } from '../material.js';
import { located, type ShownSource } from './failure.js';

/** A build that has been described, and runs when its outcome is needed. */
export class PendingResult {
  #evaluated: Promise<BuildResult> | undefined;
  #users = 1;
  readonly #stop = new AbortController();

  constructor(
    readonly builder: Build,
    readonly request: Omit<BuildRequest, 'exports' | 'signal'>,
    readonly source: ShownSource,
    readonly report: ReportProgress,
    /** What it is made of, and must not go before it. */
    readonly ingredients: readonly PendingResult[],
    /** Where its Dockerfile is from, if not from the client; and how to give up what was fetched for it. */
    readonly main: { origin: Material | undefined; discard: () => Promise<void> },
  ) {}

  /** One more that needs it. */
  join(): this {
    this.#users++;
    return this;
  }

  /** One less; with the last it stops, and gives up what it holds. */
  async leave(): Promise<void> {
    if (--this.#users > 0) return;
    this.#stop.abort();
    const result = await this.#evaluated?.catch(() => undefined);
    await result?.release();
    await this.main.discard();
    await Promise.all(this.ingredients.map((ingredient) => ingredient.leave()));
  }

  /** What there is to say of it without building it. */
  async inspect(): Promise<Inspection> {
    try {
      const found = await this.builder.inspect({ ...this.request, exports: [], signal: this.#stop.signal });
      return { ...found, failure: located(found.failure, this.source) };
    } catch (error) {
      throw located(error, this.source);
    }
  }

  /** Builds it, once for everybody who asks. */
  evaluate(): Promise<BuildResult> {
    this.#evaluated ??= this.#build([], this.#stop.signal);
    return this.#evaluated;
  }

  /** Gives the outcome to the client and the image store. */
  async export(exports: readonly BuildExport[], signal: AbortSignal): Promise<BuildResult> {
    if (exports.length === 0) return this.evaluate();
    // What has been evaluated is in the cache of steps by now.
    const result = await this.#build(exports, AbortSignal.any([signal, this.#stop.signal]));
    await result.release();
    return result;
  }

  async #build(exports: readonly BuildExport[], signal: AbortSignal): Promise<BuildResult> {
    try {
      return await this.builder.build({ ...this.request, exports, signal }, this.report);
    } catch (error) {
      throw located(error, this.source);
    }
  }
}
