import { seedBusybox } from '../support/busybox-image.js';
import type { BenchEngine } from './engine.js';
import { measureRow, type Measurement } from './measure.js';
import { parseOptions, USAGE, type BenchOptions } from './options.js';
import { machineLine, renderJson, renderMarkdown, renderTable, tableCells } from './report.js';
import type { Row } from './row.js';

async function main(): Promise<void> {
  if (process.argv.includes('--help')) return void process.stdout.write(USAGE);
  const options = parseOptions(process.argv.slice(2));
  cleanUpWhenInterrupted(options.engines);
  for (const engine of options.engines) {
    await seedBusybox(engine.client.socketPath);
    await engine.cleanUp();
  }
  try {
    print(options, await measureAll(options));
  } finally {
    for (const engine of options.engines) await engine.cleanUp();
    for (const engine of options.engines) engine.client.close();
  }
}

async function measureAll({ engines, rows, rounds }: BenchOptions): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const row of rows) {
    const reason = await whyUnavailable(row, engines);
    process.stderr.write(reason === undefined ? `${row.title}\n` : `${row.title}: left out, ${reason}\n`);
    if (reason === undefined) measurements.push(await measureRow(row, engines, rounds));
  }
  return measurements;
}

async function whyUnavailable(row: Row, engines: BenchEngine[]): Promise<string | undefined> {
  for (const engine of engines) {
    const reason = await row.unavailable?.(engine);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function print({ engines, format }: BenchOptions, measurements: Measurement[]): void {
  if (format === 'json') return void process.stdout.write(`${renderJson(engines, measurements)}\n`);
  const cells = tableCells(engines, measurements);
  const table = format === 'markdown' ? renderMarkdown(cells) : renderTable(cells);
  process.stdout.write(`${machineLine()}\n\n${table}\n`);
}

function cleanUpWhenInterrupted(engines: BenchEngine[]): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      void Promise.allSettled(engines.map((engine) => engine.retire())).finally(() => process.exit(130));
    });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
