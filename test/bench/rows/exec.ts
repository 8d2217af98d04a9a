import { PerEngine, type Row } from '../row.js';
import { timed } from '../statistics.js';

const EXECS_A_BLOCK = 10;
const containers = new PerEngine<string>();

export const execRow: Row = {
  key: 'exec',
  title: 'exec of true (create, start attached, inspect)',
  unit: 'ms',
  statistics: ['p50', 'p90', 'p99'],
  async setUp(engine) {
    const id = await engine.create({ Cmd: ['sleep', '3600'] });
    await engine.start(id);
    containers.set(engine, id);
  },
  async warmUp(engine) {
    for (let i = 0; i < 5; i++) await engine.execTrue(containers.get(engine));
  },
  async block(engine) {
    const samples: number[] = [];
    for (let i = 0; i < EXECS_A_BLOCK; i++) samples.push(await timed(() => engine.execTrue(containers.get(engine))));
    return samples;
  },
  tearDown: (engine) => engine.remove(containers.get(engine)),
};
