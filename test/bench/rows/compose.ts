import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BENCH_LABEL, type BenchEngine } from '../engine.js';
import { PerEngine, type Row } from '../row.js';
import { timed } from '../statistics.js';

const SERVICES = 10;
const run = promisify(execFile);

/** A stack of idle containers on a network of its own, driven by the stock plugin, whose own time counts. */
class Stack {
  readonly #directory = mkdtempSync(join(tmpdir(), 'gantry-bench-compose-'));

  constructor(private readonly engine: BenchEngine) {
    const service = {
      image: 'busybox:latest',
      command: ['sleep', '3600'],
      init: true,
      labels: { [BENCH_LABEL]: '1' },
    };
    const services = Array.from({ length: SERVICES }, (_, index) => [`service${index}`, service]);
    writeFileSync(join(this.#directory, 'compose.yaml'), JSON.stringify({ services: Object.fromEntries(services) }));
  }

  up(): Promise<void> {
    return this.#compose('up', '--detach');
  }

  down(): Promise<void> {
    return this.#compose('down');
  }

  async dispose(): Promise<void> {
    await this.down();
    rmSync(this.#directory, { recursive: true });
  }

  async #compose(...args: string[]): Promise<void> {
    const env = { ...process.env, DOCKER_HOST: `unix://${this.engine.client.socketPath}` };
    const project = ['compose', '--project-directory', this.#directory, '--project-name', 'gantry-bench'];
    await run('docker', [...project, ...args], { env });
  }
}

const stacks = new PerEngine<Stack>();

async function whyUnavailable(): Promise<string | undefined> {
  return run('docker', ['compose', 'version']).then(
    () => undefined,
    () => 'there is no docker compose',
  );
}

function composeRow(key: string, title: string, measured: 'up' | 'down'): Row {
  return {
    key,
    title,
    unit: 'ms',
    statistics: ['p50', 'p90'],
    unavailable: whyUnavailable,
    async setUp(engine) {
      stacks.set(engine, new Stack(engine));
    },
    async warmUp(engine) {
      await stacks.get(engine).up();
      await stacks.get(engine).down();
    },
    async block(engine) {
      const stack = stacks.get(engine);
      const elapsed = { up: await timed(() => stack.up()), down: await timed(() => stack.down()) };
      return [elapsed[measured]];
    },
    tearDown: (engine) => stacks.get(engine).dispose(),
  };
}

export const composeRows: Row[] = [
  composeRow('compose-up', `compose up -d of ${SERVICES} idle services`, 'up'),
  composeRow('compose-down', `compose down of ${SERVICES} idle services`, 'down'),
];
