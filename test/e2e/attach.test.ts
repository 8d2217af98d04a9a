import { SHELL_PROMPT } from '../support/cli-session.js';
import { eventually } from '../support/eventually.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();
const size = { rows: 24, columns: 80 };

const isRunning = (name: string): Promise<string> => engine.docker.ok('inspect', '-f', '{{.State.Running}}', name);

test('the detach keys leave the container running, and attach comes back to it', async () => {
  const first = engine.docker.terminal(size, 'run', '-it', '--name', 'shell', 'busybox', 'sh');
  await first.says(SHELL_PROMPT);
  first.write('\u0010\u0011');
  expect(await first.exitCode()).toBe(0);
  expect(await isRunning('shell')).toBe('true');

  const second = engine.docker.terminal(size, 'attach', 'shell');
  second.write('echo back-$((40 + 2))\n');
  await second.says('back-42');
  second.write('exit 6\n');
  expect(await second.exitCode()).toBe(6);
});

test('other detach keys can be chosen', async () => {
  await engine.docker.ok('run', '-dit', '--name', 'shell', 'busybox', 'sh');
  const session = engine.docker.terminal(size, 'attach', '--detach-keys', 'ctrl-x,d', 'shell');
  session.write('echo ready-$((1 + 1))\n');
  await session.says('ready-2');
  session.write('\u0018d');
  await session.exitCode();
  expect(await isRunning('shell')).toBe('true');
});

test('exec has detach keys too', async () => {
  await engine.docker.ok('run', '-d', '--name', 'host', 'busybox', 'sleep', '300');
  const session = engine.docker.terminal(size, 'exec', '-it', 'host', 'sh');
  await session.says(SHELL_PROMPT);
  session.write('\u0010\u0011');
  await session.exitCode();
  expect(await engine.docker.ok('exec', 'host', 'ps', '-o', 'args')).toMatch(/^sh$/m);
});

test('several clients see the same output', async () => {
  await engine.docker.ok('run', '-dit', '--name', 'shell', 'busybox', 'sh');
  const clients = [1, 2, 3].map(() => engine.docker.terminal(size, 'attach', 'shell'));
  await new Promise((resolve) => setTimeout(resolve, 500));
  clients[0]?.write('echo shared-$((20 + 3))\n');
  for (const client of clients) await client.says('shared-23');
  clients[1]?.write('exit 2\n');
  for (const client of clients) expect(await client.exitCode()).toBe(2);
});

test('attach without a terminal keeps the streams apart and ends with the exit code', async () => {
  const script = 'read line; echo "out $line"; echo "err $line" >&2; exit 3';
  await engine.docker.ok('create', '-i', '--name', 'reader', 'busybox', 'sh', '-c', script);
  const { code, stdout, stderr } = await engine.docker.run(['start', '-ai', 'reader'], { input: 'hello\n' });
  expect({ code, stdout, stderr }).toEqual({ code: 3, stdout: 'out hello\n', stderr: 'err hello\n' });
});

test('attach --no-stdin sees what comes and passes signals on', async () => {
  const script = 'trap "echo got TERM; exit 8" TERM; echo up; while :; do sleep 0.1; done';
  await engine.docker.ok('run', '-d', '--name', 'trapper', 'busybox', 'sh', '-c', script);
  const session = engine.docker.session('attach', '--no-stdin', 'trapper');
  await new Promise((resolve) => setTimeout(resolve, 500));
  session.kill('SIGTERM');
  expect(await session.exitCode()).toBe(8);
  expect(session.stdout).toContain('got TERM');
});

test('a client that dies does not end the container', async () => {
  const session = engine.docker.session('run', '--name', 'talker', 'busybox', 'sh', '-c', 'echo up; exec sleep 300');
  await session.says('up');
  session.kill('SIGKILL');
  await session.exitCode();
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await isRunning('talker')).toBe('true');
});

test('a client that dies in the middle of much output does not hold the container up', async () => {
  const script = 'seq 200000; echo done';
  const session = engine.docker.session('run', '--name', 'writer', 'busybox', 'sh', '-c', script);
  await session.says('1\n');
  session.kill('SIGKILL');
  await session.exitCode();
  await eventually(
    () => isRunning('writer'),
    (running) => running === 'false',
  );
  expect(await engine.docker.ok('logs', '--tail', '1', 'writer')).toBe('done');
});

test('attaching to a container that does not run is refused', async () => {
  await engine.docker.ok('create', '--name', 'still', 'busybox', 'true');
  expect(await engine.docker.fails('attach', 'still')).toMatch(/cannot attach to a stopped container/i);
});
