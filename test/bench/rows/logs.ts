import { demultiplex } from '../../support/raw-http.js';
import type { BenchEngine } from '../engine.js';
import { PerEngine, type Row } from '../row.js';
import { timed } from '../statistics.js';

const LINES = 400_000;
const LINE = 'the quick brown fox jumps over the lazy dog';
const written = new PerEngine<string>();

async function createWriter(engine: BenchEngine): Promise<string> {
  return engine.create({ Cmd: ['sh', '-c', `yes '${LINE}' | head -n ${LINES}`] });
}

async function runToEnd(engine: BenchEngine, id: string): Promise<void> {
  await engine.start(id);
  await engine.waitForSuccess(id);
}

/** From start until the container has ended. */
const writeRow: Row = {
  key: 'logs-write',
  title: '400 000 log lines written',
  unit: 'ms',
  statistics: ['p50', 'min', 'max'],
  maxRounds: 5,
  async block(engine) {
    const id = await createWriter(engine);
    const elapsed = await timed(() => runToEnd(engine, id));
    await engine.remove(id);
    return [elapsed];
  },
};

/** All of them through the logs API; that none is missing is checked outside the measured time. */
const readRow: Row = {
  key: 'logs-read',
  title: '400 000 log lines read back',
  unit: 'ms',
  statistics: ['p50', 'min', 'max'],
  maxRounds: 5,
  async setUp(engine) {
    const id = await createWriter(engine);
    await runToEnd(engine, id);
    written.set(engine, id);
  },
  async block(engine) {
    let body = Buffer.alloc(0);
    const elapsed = await timed(async () => {
      const path = `/containers/${written.get(engine)}/logs?stdout=1&stderr=1`;
      body = (await engine.client.send('GET', path)).body as Buffer<ArrayBuffer>;
    });
    const bytes = demultiplex(body).stdout.length;
    if (bytes !== LINES * (LINE.length + 1)) throw new Error(`${engine.name}: ${bytes} log bytes came back`);
    return [elapsed];
  },
  tearDown: (engine) => engine.remove(written.get(engine)),
};

export const logRows: Row[] = [writeRow, readRow];
