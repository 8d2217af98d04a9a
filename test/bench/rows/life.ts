import { BenchNetwork } from '../bench-network.js';
import { inParallel } from '../engine.js';
import { PerEngine, type Row } from '../row.js';
import { timed } from '../statistics.js';

const LIVES_A_BLOCK = 10;
const LIVES_AT_ONCE = 8;
const LIVES_A_RATE = 64;

/** create + start + wait + remove of `busybox true`, one after the other. */
function life(networkMode: string, where: string): Row {
  return {
    key: `life-${networkMode}`,
    title: `one life (create, start, wait, remove), ${where}`,
    unit: 'ms',
    statistics: ['p50', 'p90', 'p99'],
    async warmUp(engine) {
      for (let i = 0; i < 5; i++) await engine.life(networkMode);
    },
    async block(engine) {
      const samples: number[] = [];
      for (let i = 0; i < LIVES_A_BLOCK; i++) samples.push(await timed(() => engine.life(networkMode)));
      return samples;
    },
  };
}

function rate(networkMode: string, where: string): Row {
  const lives = Array.from({ length: LIVES_A_RATE }, (_, index) => index);
  return {
    key: `rate-${networkMode}`,
    title: `lives a second, ${LIVES_AT_ONCE} at once, ${where}`,
    unit: 'lives/s',
    statistics: ['p50'],
    maxRounds: 5,
    warmUp: (engine) => inParallel(LIVES_AT_ONCE, lives.slice(0, 8), () => engine.life(networkMode)),
    async block(engine) {
      const elapsed = await timed(() => inParallel(LIVES_AT_ONCE, lives, () => engine.life(networkMode)));
      return [LIVES_A_RATE / (elapsed / 1000)];
    },
  };
}

/** The same on a network of the user's own, with a port that the engine chooses. */
const published = {
  ExposedPorts: { '80/tcp': {} },
  HostConfig: { NetworkMode: 'gantry-bench-life', PortBindings: { '80/tcp': [{ HostPort: '' }] } },
};
const networks = new PerEngine<BenchNetwork>();

const lifePublished: Row = {
  key: 'life-published',
  title: 'one life, on a user-defined network with a published port',
  unit: 'ms',
  statistics: ['p50', 'p90', 'p99'],
  async setUp(engine) {
    networks.set(engine, await BenchNetwork.make(engine, 'gantry-bench-life'));
  },
  async warmUp(engine) {
    for (let i = 0; i < 5; i++) await engine.life('', published);
  },
  async block(engine) {
    const samples: number[] = [];
    for (let i = 0; i < LIVES_A_BLOCK; i++) samples.push(await timed(() => engine.life('', published)));
    return samples;
  },
  tearDown: (engine) => networks.get(engine).remove(),
};

export const lifeRows: Row[] = [
  life('none', 'no network'),
  life('bridge', 'on the bridge'),
  lifePublished,
  rate('none', 'no network'),
  rate('bridge', 'on the bridge'),
];
