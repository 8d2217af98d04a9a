import { BenchNetwork } from '../bench-network.js';
import type { BenchEngine } from '../engine.js';
import { PerEngine, type Row } from '../row.js';
import { timed } from '../statistics.js';

const CROWD = 300;
/** As many starts make a sample: one alone says more of the moment than of the network. */
const EDGE = 10;

const networks = new PerEngine<BenchNetwork>();
const median = (samples: number[]): number => [...samples].sort((a, b) => a - b)[samples.length >> 1]!;

/** Starts one container after the other on a network. @returns how long each start took, in ms */
async function fill(engine: BenchEngine, { name }: BenchNetwork): Promise<number[]> {
  const ids: string[] = [];
  for (let i = 0; i < CROWD; i++) ids.push(await engine.create({ Cmd: ['sleep', '3600'] }, name));
  const times: number[] = [];
  for (const id of ids) times.push(await timed(() => engine.start(id)));
  return times;
}

/** 300 containers that run on one network: what the last start takes of the time of the first. */
export const crowdRow: Row = {
  key: 'network-300',
  title: `start of the last of ${CROWD} containers on a network, in starts of the first`,
  unit: 'x',
  statistics: ['p50'],
  maxRounds: 1,
  async setUp(engine) {
    networks.set(engine, await BenchNetwork.make(engine, 'gantry-bench-crowd'));
  },
  async warmUp(engine) {
    for (let i = 0; i < EDGE; i++) await engine.life(networks.get(engine).name);
  },
  async block(engine) {
    const times = await fill(engine, networks.get(engine));
    return [median(times.slice(-EDGE)) / median(times.slice(0, EDGE))];
  },
  tearDown: (engine) => networks.get(engine).remove(),
};
