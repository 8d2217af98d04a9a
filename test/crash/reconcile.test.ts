import { jest } from '@jest/globals';
import { existsSync } from 'node:fs';
import { inParallel } from '../bench/engine.js';
import { eventually } from '../support/eventually.js';
import { parentOf } from '../support/processes.js';
import { CrashEngine } from './crash-engine.js';

const CONTAINERS = 200;
const ANSWERS_WITHIN_MS = 1000;

jest.setTimeout(180_000);

const engine = new CrashEngine();

beforeAll(() => engine.start());
afterAll(() => engine.dispose());

/** Milliseconds from the start of the process until GET /info has its answer. */
async function startUntilInfo(): Promise<number> {
  const started = performance.now();
  await engine.daemon.start();
  const info = await engine.client.json<{ Containers: number }>('GET', '/info');
  const elapsed = performance.now() - started;
  expect(info.Containers).toBe(CONTAINERS);
  return elapsed;
}

test(`with ${CONTAINERS} running containers GET /info answers within a second of a start after kill -9`, async () => {
  const names = Array.from({ length: CONTAINERS }, (_, index) => `sleeper-${index}`);
  await inParallel(8, names, (name) => engine.run(name, 'exec sleep 3600'));
  const times: number[] = [];
  // The best of three: what else the machine does at that moment is not the daemon's doing.
  for (let attempt = 0; attempt < 3; attempt++) {
    await engine.kill();
    times.push(await startUntilInfo());
  }
  expect(Math.min(...times)).toBeLessThan(ANSWERS_WITHIN_MS);
  for (const name of names) expect([name, (await engine.state(name)).Status]).toEqual([name, 'running']);
  await inParallel(8, names, (name) => engine.remove(name));
});

test('a shim that does not answer holds up its own container alone', async () => {
  for (const name of ['stuck', 'other']) await engine.run(name, 'exec sleep 3600');
  const shim = parentOf((await engine.state('stuck')).Pid);
  process.kill(shim, 'SIGSTOP');
  try {
    await engine.kill();
    await engine.daemon.start();
    expect((await engine.state('other')).Status).toBe('running');
    await engine.remove('other');
  } finally {
    process.kill(shim, 'SIGCONT');
  }
  // Once it answers, the container is found as it was.
  await engine.client.json('POST', '/containers/stuck/stop?t=0');
  expect((await engine.state('stuck')).ExitCode).toBe(137);
  await engine.remove('stuck');
});

test('a container whose shim does not answer can be removed by force, also when it never answered this daemon', async () => {
  for (const name of ['silent', 'mute']) await engine.run(name, 'exec sleep 3600');
  const silence = async (name: string): Promise<number> => {
    const { Pid: pid } = await engine.state(name);
    process.kill(parentOf(pid), 'SIGSTOP');
    return pid;
  };
  const mute = await silence('mute');
  await engine.kill();
  await engine.daemon.start();
  const processes = [mute, await silence('silent')];
  await Promise.all(['silent', 'mute'].map((name) => engine.remove(name)));
  await eventually(
    () => processes.filter((pid) => existsSync(`/proc/${pid}`)),
    (left) => left.length === 0,
  );
});

test('a shim that ends after it was asked, and before it has answered, is not taken for one that runs', async () => {
  await engine.run('cut', 'exec sleep 3600');
  const shim = parentOf((await engine.state('cut')).Pid);
  process.kill(shim, 'SIGSTOP');
  await engine.kill();
  await engine.daemon.start();
  process.kill(shim, 'SIGKILL');
  expect(await engine.wait('cut')).toBe(137);
  expect((await engine.state('cut')).Status).toBe('exited');
  await engine.remove('cut');
});

test('a container that the daemon found running can be started again at once after it has ended', async () => {
  await engine.run('again', 'echo run; exec sleep 3600');
  await engine.kill();
  await engine.daemon.start();
  for (let run = 0; run < 3; run++) await engine.client.json('POST', '/containers/again/restart?t=0');
  expect((await engine.state('again')).Status).toBe('running');
  await engine.remove('again');
});
