import { jest } from '@jest/globals';
import Database from 'better-sqlite3';
import { join } from 'node:path';
import { inParallel } from '../bench/engine.js';
import { setTimeout as delay } from 'node:timers/promises';
import { expectHostAsItWas, takeSnapshot, type HostSnapshot } from '../support/host-snapshot.js';
import { startTime } from '../support/processes.js';
import { Churn } from './churn.js';
import { CrashEngine, expectContiguous } from './crash-engine.js';
import { Random } from './random.js';

const ROUNDS = Number(process.env['GANTRY_CRASH_ROUNDS'] ?? 15);
const SEED = Number(process.env['GANTRY_CRASH_SEED'] ?? Date.now() % 1_000_000);
const WRITERS = ['writer-1', 'writer-2', 'writer-3', 'writer-4', 'writer-5', 'writer-6'];
const WRITE = 'i=0; while :; do i=$((i + 1)); echo $i; usleep 2000; done';

jest.setTimeout(60_000 + ROUNDS * 20_000);

const random = new Random(SEED);
const engine = new CrashEngine();
let idle: HostSnapshot;

beforeAll(async () => {
  process.stderr.write(`crash test: GANTRY_CRASH_SEED=${SEED} GANTRY_CRASH_ROUNDS=${ROUNDS}\n`);
  await engine.start();
  idle = await takeSnapshot(engine.daemon, engine.daemon.pid);
});
afterAll(() => engine.dispose());

test(`the daemon is killed ${ROUNDS} times at random, and nothing is lost, wrong or left over`, async () => {
  const writers = await startWriters();
  for (let round = 1; round <= ROUNDS; round++) {
    const churn = await killDuringChurn(round);
    await expectUnnoticed(writers);
    await expectAsAnswered(churn);
    await expectConsistent(churn);
  }
  await expectCompleteLogs();
  await engine.removeAll();
  await engine.kill();
  await engine.daemon.start();
  expect(leases()).toEqual([]);
  await expectHostAsItWas(idle, engine.daemon, engine.daemon.pid);
});

/** Starts those that write all the time, and answers the identity of each one's process. */
async function startWriters(): Promise<Map<string, string>> {
  const identities = new Map<string, string>();
  for (const [index, name] of WRITERS.entries()) {
    await engine.run(name, WRITE, { NetworkMode: index % 2 === 0 ? 'none' : 'bridge' });
    identities.set(name, await identity(name));
  }
  return identities;
}

async function identity(name: string): Promise<string> {
  const { Pid } = await engine.state(name);
  return `${Pid} since ${startTime(Pid)}`;
}

async function killDuringChurn(round: number): Promise<Churn> {
  const churn = new Churn(engine, random, `round${round}`);
  const running = churn.run();
  await Promise.race([delay(random.between(30, 1500)), running]);
  churn.stop();
  await engine.kill();
  await running;
  await delay(random.between(0, 400));
  await engine.daemon.start();
  return churn;
}

async function expectUnnoticed(writers: Map<string, string>): Promise<void> {
  for (const [name, before] of writers) {
    const { Status } = await engine.state(name);
    expect([name, Status, await identity(name)]).toEqual([name, 'running', before]);
  }
}

/** What the daemon had answered is so. */
async function expectAsAnswered(churn: Churn): Promise<void> {
  await inParallel(8, [...churn.mortals], async ([name, code]) => {
    expect([name, await engine.wait(name)]).toEqual([name, code]);
    expect([name, (await engine.state(name)).ExitCode]).toEqual([name, code]);
  });
  for (const name of churn.created) expect([name, (await engine.state(name)).Status]).toEqual([name, 'created']);
  const listed = new Set(await engine.names());
  expect([...churn.removed].filter((name) => listed.has(name))).toEqual([]);
}

/** Whatever was under way: a container that exists can be inspected and removed, and its name is free again. */
async function expectConsistent(churn: Churn): Promise<void> {
  const listed = new Set(await engine.names());
  await inParallel(8, [...churn.names], async (name) => {
    expect([name, await engine.exists(name)]).toEqual([name, listed.has(name)]);
    await engine.remove(name);
    await engine.create(name, 'true');
    await engine.remove(name);
  });
  expect((await engine.names()).sort()).toEqual(WRITERS);
}

/** The addresses that are taken. A network that loses some at each crash is full some day. */
function leases(): unknown[] {
  const database = new Database(join(engine.daemon.dataRoot, 'gantry.db'), { readonly: true });
  try {
    return database.prepare('SELECT * FROM leases').all();
  } finally {
    database.close();
  }
}

async function expectCompleteLogs(): Promise<void> {
  for (const name of WRITERS) {
    await engine.client.json('POST', `/containers/${name}/kill`);
    await engine.wait(name);
    const lines = expectContiguous(name, await engine.log(name));
    expect(lines).toBeGreaterThan(ROUNDS * 10);
  }
}
