import { inParallel, type BenchEngine } from '../engine.js';
import type { Row } from '../row.js';
import { timed } from '../statistics.js';

const CONTAINERS = 200;
const LISTS_A_BLOCK = 10;

async function createContainers(engine: BenchEngine): Promise<void> {
  const numbers = Array.from({ length: CONTAINERS }, (_, index) => index);
  await inParallel(8, numbers, async () => void (await engine.create({ Cmd: ['true'] })));
}

async function list(engine: BenchEngine): Promise<void> {
  const all = await engine.client.json<unknown[]>('GET', '/containers/json?all=1');
  if (all.length < CONTAINERS) throw new Error(`${engine.name}: ${all.length} containers listed`);
}

export const listRow: Row = {
  key: 'list',
  title: '200 containers listed',
  unit: 'ms',
  statistics: ['p50', 'p90', 'p99'],
  setUp: createContainers,
  warmUp: list,
  async block(engine) {
    const samples: number[] = [];
    for (let i = 0; i < LISTS_A_BLOCK; i++) samples.push(await timed(() => list(engine)));
    return samples;
  },
  tearDown: (engine) => engine.cleanUp(),
};
