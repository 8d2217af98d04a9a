import { setTimeout } from 'node:timers/promises';
import { BenchNetwork } from '../bench-network.js';
import { inParallel, type BenchEngine } from '../engine.js';
import { PerEngine, type Row } from '../row.js';
import { timed } from '../statistics.js';

const CROWD = 300;
/** As many starts, some sets of them, make a sample: one alone says more of the moment than of the network. */
const EDGE = 10;
const SETS = 3;
/** What was removed a moment ago keeps the kernel busy for a while: not a matter of those who start next. */
const PAUSE_MS = 500;

const networks = new PerEngine<BenchNetwork>();
const median = (samples: number[]): number => [...samples].sort((a, b) => a - b)[samples.length >> 1]!;

/** Starts containers one after the other on a network. @returns their ids, and how long each start took, in ms */
async function fill(engine: BenchEngine, { name }: BenchNetwork, count: number): Promise<[string[], number[]]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) ids.push(await engine.create({ Cmd: ['sleep', '3600'] }, name));
  await setTimeout(PAUSE_MS);
  const times: number[] = [];
  for (const id of ids) times.push(await timed(() => engine.start(id)));
  return [ids, times];
}

/** The median time of a start on the network as it is, and as it is afterwards. */
async function startTime(engine: BenchEngine, network: BenchNetwork): Promise<number> {
  const samples: number[] = [];
  for (let set = 0; set < SETS; set++) {
    const [ids, times] = await fill(engine, network, EDGE);
    samples.push(...times);
    await inParallel(EDGE, ids, (id) => engine.remove(id));
  }
  return median(samples);
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
    const network = networks.get(engine);
    const first = await startTime(engine, network);
    await fill(engine, network, CROWD - EDGE);
    return [(await startTime(engine, network)) / first];
  },
  tearDown: (engine) => networks.get(engine).remove(),
};
