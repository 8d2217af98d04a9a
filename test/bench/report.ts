import { cpus, release } from 'node:os';
import type { BenchEngine } from './engine.js';
import type { Measurement } from './measure.js';

const STATISTIC_NAMES = { min: 'min', p50: 'p50', p90: 'p90', p99: 'p99', max: 'max' };

/** What the numbers were measured on. */
export function machineLine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `Linux ${release()}, ${cpus().length} x ${model}, ${new Date().toISOString().slice(0, 10)}`;
}

export function renderJson(engines: BenchEngine[], measurements: Measurement[]): string {
  const rows = measurements.map(({ row, summaries }) => ({
    key: row.key,
    title: row.title,
    unit: row.unit,
    engines: Object.fromEntries(engines.map((engine, index) => [engine.name, summaries[index]])),
  }));
  return JSON.stringify({ machine: machineLine(), rows }, null, 2);
}

/** The table's cells: a header, then a line a statistic. With two engines the last column is first / second. */
export function tableCells(engines: BenchEngine[], measurements: Measurement[]): string[][] {
  const compared = engines.length === 2;
  const header = ['', ...engines.map((engine) => engine.name), ...(compared ? ['ratio'] : [])];
  const lines = measurements.flatMap(({ row, summaries }) =>
    row.statistics.map((statistic) => {
      const values = summaries.map((summary) => summary[statistic]);
      const title = row.statistics.length === 1 ? row.title : `${row.title}, ${STATISTIC_NAMES[statistic]}`;
      const ratio = compared ? [formatNumber((values[0] ?? NaN) / (values[1] ?? NaN))] : [];
      return [title, ...values.map((value) => `${formatNumber(value)} ${row.unit}`), ...ratio];
    }),
  );
  return [header, ...lines];
}

export function renderTable(cells: string[][]): string {
  const widths = columnWidths(cells);
  return cells.map((line) => line.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join('  ')).join('\n');
}

export function renderMarkdown(cells: string[][]): string {
  const widths = columnWidths(cells);
  const lines = cells.map(
    (line) => `| ${line.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join(' | ')} |`,
  );
  const rule = `| ${widths.map((width, column) => '-'.repeat(width - (column > 0 ? 1 : 0)) + (column > 0 ? ':' : '')).join(' | ')} |`;
  return [lines[0], rule, ...lines.slice(1)].join('\n');
}

function columnWidths(cells: string[][]): number[] {
  return (cells[0] ?? []).map((_, column) => Math.max(3, ...cells.map((line) => line[column]?.length ?? 0)));
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

/** Three significant digits, without an exponent. */
function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
