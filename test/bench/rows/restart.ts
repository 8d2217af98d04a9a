import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { inParallel, type BenchEngine } from '../engine.js';
import type { Row } from '../row.js';
import { timed } from '../statistics.js';

const CONTAINERS = 200;

async function untilInfoAnswers(engine: BenchEngine): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const answer = await engine.client.send('GET', '/info').catch(() => undefined);
    if (answer?.status === 200) return;
    if (Date.now() > deadline) throw new Error(`${engine.name} did not come back within a minute`);
    await delay(5);
  }
}

/** From the start of the restart command until GET /info answers, with 200 containers to reconcile. */
export const restartRow: Row = {
  key: 'restart',
  title: 'restart with 200 containers until GET /info',
  unit: 'ms',
  statistics: ['p50', 'min', 'max'],
  maxRounds: 3,
  unavailable: (engine) => (engine.restartCommand === undefined ? 'needs --restart-command' : undefined),
  async setUp(engine) {
    const numbers = Array.from({ length: CONTAINERS }, (_, index) => index);
    await inParallel(8, numbers, async () => void (await engine.create({ Cmd: ['true'] })));
  },
  async block(engine) {
    return [
      await timed(async () => {
        await promisify(execFile)('sh', ['-c', engine.restartCommand as string]);
        await untilInfoAnswers(engine);
      }),
    ];
  },
  tearDown: (engine) => engine.cleanUp(),
};
