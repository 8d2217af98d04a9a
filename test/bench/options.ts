import { parseArgs } from 'node:util';
import { BenchEngine } from './engine.js';
import { rows } from './rows/index.js';
import type { Row } from './row.js';

export const USAGE = `npm run bench -- [options]
  --socket PATH            engine to measure; give it twice to compare (default /var/run/gantry.sock)
  --name NAME              what the table calls it, in the order of the sockets
  --pidfile PATH           its daemon's pidfile, in the order of the sockets; needed for the memory rows
  --restart-command CMD    restarts it, in the order of the sockets; needed for the restart row
  --rounds N               rounds of every row (default 10)
  --only ROW,ROW           only these rows: ${rows.map((row) => row.key).join(', ')}
  --json | --markdown      how to print (default a plain table)
`;

export interface BenchOptions {
  engines: BenchEngine[];
  rows: readonly Row[];
  rounds: number;
  format: 'table' | 'json' | 'markdown';
}

/** @throws Error naming the option that is wrong */
export function parseOptions(args: string[]): BenchOptions {
  const { values } = parseArgs({
    args,
    options: {
      socket: { type: 'string', multiple: true, default: ['/var/run/gantry.sock'] },
      name: { type: 'string', multiple: true, default: [] },
      pidfile: { type: 'string', multiple: true, default: [] },
      'restart-command': { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string', default: '10' },
      only: { type: 'string' },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
    },
  });
  if (values.socket.length > 2) throw new Error('--socket: at most two engines can be compared');
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds: ${values.rounds} is not a positive number`);
  return {
    engines: values.socket.map((socket, index) => {
      const name = values.name[index] ?? (values.socket.length === 1 ? 'engine' : `engine ${index + 1}`);
      const path = socket.replace(/^unix:\/\//, '');
      return new BenchEngine(name, path, values.pidfile[index], values['restart-command'][index]);
    }),
    rows: chooseRows(values.only),
    rounds,
    format: values.json ? 'json' : values.markdown ? 'markdown' : 'table',
  };
}

function chooseRows(only: string | undefined): readonly Row[] {
  if (only === undefined) return rows;
  return only.split(',').map((key) => {
    const row = rows.find((candidate) => candidate.key === key);
    if (row === undefined) throw new Error(`--only: there is no row ${key}`);
    return row;
  });
}
