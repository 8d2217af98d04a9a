import type { BenchEngine } from './engine.js';
import type { Summary } from './statistics.js';

/**
 * One line (or, with several statistics, a few lines) of the table. A block is measured on one engine, then on the other,
 * round after round, so that what else the machine does falls on both.
 */
export interface Row {
  key: string;
  title: string;
  unit: 'ms' | 'lives/s' | 'MiB' | 'Gbit/s' | 'x' | 'thousand/s';
  statistics: readonly Exclude<keyof Summary, 'count'>[];
  /** Rounds beyond this tell nothing more; memory, for example, is weighed once. */
  maxRounds?: number;
  /** Says why the row cannot be measured on this engine, or nothing. */
  unavailable?(engine: BenchEngine): Promise<string | undefined> | string | undefined;
  setUp?(engine: BenchEngine): Promise<void>;
  /** Runs before the first round and is not counted. */
  warmUp?(engine: BenchEngine): Promise<unknown>;
  /** One block; its samples in the row's unit. */
  block(engine: BenchEngine): Promise<number[]>;
  tearDown?(engine: BenchEngine): Promise<void>;
}

/** What {@link Row.setUp} made on each engine. */
export class PerEngine<T> {
  readonly #values = new Map<BenchEngine, T>();

  set(engine: BenchEngine, value: T): void {
    this.#values.set(engine, value);
  }

  get(engine: BenchEngine): T {
    const value = this.#values.get(engine);
    if (value === undefined) throw new Error(`nothing was set up on ${engine.name}`);
    return value;
  }
}
