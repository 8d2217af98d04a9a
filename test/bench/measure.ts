import type { BenchEngine } from './engine.js';
import type { Row } from './row.js';
import { summarize, type Summary } from './statistics.js';

/** A row is cut short, after whole rounds, when it has taken this long. */
const ROW_BUDGET_MS = 60_000;

export interface Measurement {
  row: Row;
  /** In the order of the engines. */
  summaries: Summary[];
}

/** Measures a row on every engine, in turns. */
export async function measureRow(row: Row, engines: BenchEngine[], rounds: number): Promise<Measurement> {
  const samples = engines.map((): number[] => []);
  const started: BenchEngine[] = [];
  try {
    for (const engine of engines) {
      started.push(engine);
      await row.setUp?.(engine);
      await row.warmUp?.(engine);
    }
    const deadline = Date.now() + ROW_BUDGET_MS;
    for (let round = 0; round < Math.min(rounds, row.maxRounds ?? rounds); round++) {
      for (const [index, engine] of engines.entries()) samples[index]?.push(...(await row.block(engine)));
      if (Date.now() > deadline) break;
    }
  } finally {
    for (const engine of started) await row.tearDown?.(engine).catch(() => engine.cleanUp());
  }
  return { row, summaries: samples.map(summarize) };
}
