import { jest } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { expectHostAsItWas, takeSnapshot, type HostSnapshot } from '../support/host-snapshot.js';
import { isAlive, startTime } from '../support/processes.js';
import { CrashEngine, expectContiguous } from './crash-engine.js';

jest.setTimeout(60_000);

const engine = new CrashEngine();
let idle: HostSnapshot;

beforeAll(async () => {
  await engine.start();
  idle = await takeSnapshot(engine.daemon, engine.daemon.pid);
});
afterEach(async () => {
  await engine.removeAll();
  await expectHostAsItWas(idle, engine.daemon, engine.daemon.pid);
});
afterAll(() => engine.dispose());

const GONE_MS = 30_000;

interface Health {
  Status: string;
  FailingStreak: number;
  Log: { Start: string }[];
}

/** Kills the daemon, waits until a container has ended without it, and starts it again. */
async function awayUntilEnded(name: string): Promise<void> {
  const { Pid } = await engine.state(name);
  await engine.kill();
  await eventually(
    () => isAlive(Pid),
    (alive) => !alive,
    GONE_MS,
  );
  await engine.daemon.start();
}

test('10 MB written while the daemon is away are all there, and the exit code is right', async () => {
  const numbers = 1_400_000;
  await engine.run('writer', `sleep 1; seq 1 ${numbers}; exit 7`);
  await awayUntilEnded('writer');
  expect(await engine.wait('writer')).toBe(7);
  const log = await engine.log('writer');
  expect(log.length).toBeGreaterThan(10_000_000);
  expect(expectContiguous('writer', log)).toBe(numbers);
});

test('a container with --rm that ends meanwhile is removed', async () => {
  await engine.run('passing', 'sleep 1', { AutoRemove: true });
  await awayUntilEnded('passing');
  await eventually(
    () => engine.exists('passing'),
    (exists) => !exists,
  );
});

test('a container that is to be restarted always is restarted', async () => {
  await engine.run('lasting', 'sleep 1.5; exit 1', { RestartPolicy: { Name: 'always' } });
  await awayUntilEnded('lasting');
  await eventually(
    () => engine.state('lasting'),
    ({ Running }) => Running,
  );
});

test.each(['kill', 'stop'] as const)('what health checks have found outlasts a %s of the daemon', async (ending) => {
  // The first check finds it well, all others fail.
  const check = ['CMD-SHELL', 'test -e /seen && exit 3; touch /seen'];
  await engine.client.json('POST', '/containers/create?name=probed', {
    Image: 'busybox',
    Cmd: ['sleep', '300'],
    Healthcheck: { Test: check, Interval: 100_000_000, Retries: 1000 },
    HostConfig: { NetworkMode: 'none' },
  });
  await engine.startContainer('probed');
  const health = async (): Promise<Health> =>
    (await engine.client.json<{ State: { Health: Health } }>('GET', '/containers/probed/json')).State.Health;
  const failed = await eventually(health, ({ FailingStreak }) => FailingStreak >= 2);
  expect(failed.Status).toBe('healthy');
  await engine[ending]();
  await engine.daemon.start();
  const now = await health();
  expect(now.Status).toBe('healthy');
  expect(now.FailingStreak).toBeGreaterThanOrEqual(failed.FailingStreak);
  expect(now.Log.map(({ Start }) => Start)).toContain(failed.Log.at(-1)?.Start);
  await eventually(health, ({ FailingStreak }) => FailingStreak > now.FailingStreak);
});

test('a paused container stays paused, and goes on when asked', async () => {
  await engine.run('sleeper', 'exec sleep 300');
  await engine.client.json('POST', '/containers/sleeper/pause');
  await engine.kill();
  await engine.daemon.start();
  expect((await engine.state('sleeper')).Status).toBe('paused');
  await engine.client.json('POST', '/containers/sleeper/unpause');
  expect((await engine.state('sleeper')).Status).toBe('running');
});

test('after a restart everything can be done to a container that ran through it', async () => {
  const script = 'trap "exit 9" TERM; echo up; read line; echo "got $line"; while :; do usleep 50000; done';
  await engine.client.json('POST', '/containers/create?name=server', {
    Image: 'busybox',
    Cmd: ['sh', '-c', script],
    OpenStdin: true,
    HostConfig: { NetworkMode: 'bridge', Memory: 64 * 1024 * 1024 },
  });
  await engine.startContainer('server');
  const before = startTime((await engine.state('server')).Pid);
  await engine.kill();
  await engine.daemon.start();

  const stream = await engine.client.hijack('/containers/server/attach?stream=1&stdin=1&stdout=1');
  stream.write('hello\n');
  await eventually(
    () => engine.log('server'),
    (log) => log.includes('got hello'),
  );
  stream.destroy();
  const exec = { Cmd: ['true'], AttachStdout: true };
  const { Id } = await engine.client.json<{ Id: string }>('POST', '/containers/server/exec', exec);
  await engine.client.send('POST', `/exec/${Id}/start`, { Detach: true });
  await eventually(
    () => engine.client.json<{ ExitCode: number | null }>('GET', `/exec/${Id}/json`),
    ({ ExitCode }) => ExitCode === 0,
  );
  await engine.client.json('POST', '/containers/server/update', { Memory: 32 * 1024 * 1024, MemorySwap: -1 });
  expect(startTime((await engine.state('server')).Pid)).toBe(before);
  await engine.client.json('POST', '/containers/server/stop');
  expect((await engine.state('server')).ExitCode).toBe(9);
});

test('a shim that is killed while the daemon is away takes its container along, and that is noticed', async () => {
  await engine.run('victim', 'exec sleep 300');
  const { Pid } = await engine.state('victim');
  const shim = parentOf(Pid);
  await engine.kill();
  process.kill(shim, 'SIGKILL');
  await eventually(
    () => isAlive(Pid),
    (alive) => !alive,
  );
  await engine.daemon.start();
  expect(await engine.state('victim')).toMatchObject({ Status: 'exited', ExitCode: 137 });
});

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

test('names are answered while the daemon is away', async () => {
  const { status } = await engine.client.send('POST', '/networks/create', { Name: 'named' });
  expect(status).toBe(201);
  const onNetwork = { NetworkMode: 'named' };
  await engine.run('web', 'exec sleep 300', onNetwork);
  const ask = 'nslookup -type=a web. 127.0.0.11 >/dev/null && echo yes || echo no';
  await engine.run('asking', `for i in $(seq 40); do ${ask}; sleep 0.1; done`, onNetwork);
  await awayUntilEnded('asking');
  expect((await engine.log('asking')).trim().split('\n')).toEqual(Array<string>(40).fill('yes'));
  await engine.removeAll();
  expect((await engine.client.send('DELETE', '/networks/named')).status).toBe(204);
});

test('a daemon with another data root does not start beside containers that run, and leaves them alone', async () => {
  const { daemon } = engine;
  await engine.run('lasting', 'exec sleep 300');
  const { Pid } = await engine.state('lasting');
  await engine.stop();
  const other = join(daemon.root, 'other');
  const roots = ['--data-root', other, '--exec-root', daemon.execRoot, '--cgroup-parent', daemon.cgroupParent];
  const own = ['--host', `unix://${daemon.root}/other.sock`, '--bridge', 'none', '--iptables=false'];
  const run = spawnSync('bin/gantryd', [...roots, ...own, '--pidfile', join(daemon.root, 'other.pid')], {
    timeout: 20_000,
  });
  expect(run.status).toBe(1);
  expect(run.stdout.toString() + run.stderr.toString()).toContain(`belongs to the data root ${daemon.dataRoot}, but`);
  expect(isAlive(Pid)).toBe(true);
  await daemon.start();
  expect((await engine.state('lasting')).Status).toBe('running');
});
