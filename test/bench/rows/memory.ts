import { inParallel, type BenchEngine } from '../engine.js';
import { descendants, engineAndSupervisors, proportionalSetSize } from '../processes.js';
import type { Row } from '../row.js';

const CONTAINERS = 50;
const MEBIBYTE = 1024 * 1024;

function daemonPid(engine: BenchEngine): number {
  const pid = engine.daemonPid();
  if (pid === undefined) throw new Error(`${engine.name}: its pidfile is not known`);
  return pid;
}

function withoutPidfile(engine: BenchEngine): string | undefined {
  return engine.daemonPid() === undefined ? 'needs --pidfile' : undefined;
}

function idlePss(engine: BenchEngine): number {
  return proportionalSetSize(descendants(daemonPid(engine))) / MEBIBYTE;
}

/** The daemon and every process below it (dockerd's containerd, for one), with no container running. */
const idleRow: Row = {
  key: 'memory-idle',
  title: 'PSS of the idle engine',
  unit: 'MiB',
  statistics: ['p50'],
  maxRounds: 1,
  unavailable: withoutPidfile,
  block: async (engine) => [idlePss(engine)],
};

/** How much more there is with 50 containers: the daemon's growth, their supervisors, and the containers themselves. */
const perContainerRow: Row = {
  key: 'memory-container',
  title: 'PSS per running container (mean of 50)',
  unit: 'MiB',
  statistics: ['p50'],
  maxRounds: 1,
  unavailable: withoutPidfile,
  async block(engine) {
    const before = idlePss(engine);
    const ids: string[] = [];
    await inParallel(
      4,
      Array.from({ length: CONTAINERS }, (_, index) => index),
      async () => {
        const id = await engine.create({ Cmd: ['sleep', '3600'] });
        ids.push(id);
        await engine.start(id);
      },
    );
    const inits = await Promise.all(ids.map((id) => engine.containerPid(id)));
    const after = proportionalSetSize(engineAndSupervisors(daemonPid(engine), inits)) / MEBIBYTE;
    await inParallel(8, ids, (id) => engine.remove(id));
    return [(after - before) / CONTAINERS];
  },
};

export const memoryRows: Row[] = [idleRow, perContainerRow];
