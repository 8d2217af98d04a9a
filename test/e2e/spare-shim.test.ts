import { readFileSync } from 'node:fs';
import { eventually } from '../support/eventually.js';
import { allPids, isAlive, parentOf } from '../support/processes.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

/** Shims of this daemon that wait for an assignment, and children of it that have ended and were not collected. */
function spares(): number[] {
  return allPids().filter((pid) => parentOf(pid) === engine.daemon!.pid && !commandLine(pid).includes('--bundle'));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

const oneSpare = (): Promise<number[]> =>
  eventually(
    () => Promise.resolve(spares()),
    (pids) => pids.length === 1 && pids.every(isAlive),
  );

const run = (): Promise<string> => engine.docker.ok('run', '--rm', 'busybox', 'echo', 'hello');

test('there is always one, and starts at the same time make what they need', async () => {
  await oneSpare();
  expect(await Promise.all([run(), run(), run(), run()])).toEqual(Array(4).fill('hello'));
  await oneSpare();
});

test('one that is killed is not given a container, and is collected', async () => {
  const [pid = 0] = await oneSpare();
  process.kill(pid, 'SIGKILL');
  expect(await run()).toBe('hello');
  expect(await oneSpare()).not.toContain(pid);
});

test('a start that fails leaves one', async () => {
  await oneSpare();
  await engine.docker.fails('run', '--rm', 'busybox', '/no/such/command');
  await oneSpare();
});

test.each(['kill', 'stop'] as const)('it ends with its daemon (%s)', async (way) => {
  const [pid = 0] = await oneSpare();
  await engine.daemon![way]();
  await eventually(
    () => Promise.resolve(isAlive(pid)),
    (alive) => !alive,
  );
  await engine.daemon!.start();
  await oneSpare();
});
