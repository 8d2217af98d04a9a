import { setTimeout as delay } from 'node:timers/promises';
import { SHELL_PROMPT } from '../support/cli-session.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();
const size = { rows: 33, columns: 101 };

test('run -it gives a terminal of the size of the client', async () => {
  const session = engine.docker.terminal(size, 'run', '--rm', '-it', 'busybox', 'sh');
  await session.says(SHELL_PROMPT);
  session.write('tty && stty size; exit 9\n');
  expect(await session.exitCode()).toBe(9);
  expect(session.stdout).toContain('/dev/pts/0');
  expect(session.stdout).toContain('33 101');
});

test('a terminal follows when the window changes', async () => {
  const script = 'trap "stty size" WINCH; echo ready; while :; do sleep 0.1; done';
  const session = engine.docker.terminal(size, 'run', '--rm', '-it', 'busybox', 'sh', '-c', script);
  await session.says('ready');
  // Only one size is sent at the start; let it pass, so that what follows is the change.
  await session.says('33 101').catch(() => undefined);
  session.resize(44, 120);
  await session.says('44 120');
  session.write('\u0003');
  expect(await session.exitCode()).toBe(130);
}, 60_000);

test('exec -it gives a terminal of the size of the client', async () => {
  await engine.docker.ok('run', '-d', '--name', 'host', 'busybox', 'sleep', '300');
  const session = engine.docker.terminal(size, 'exec', '-it', 'host', 'sh');
  await session.says(SHELL_PROMPT);
  session.write('stty size\n');
  await session.says('33 101');
  session.resize(20, 60);
  session.write('sleep 0.3; stty size\n');
  await session.says('20 60');
  session.write('exit 3\n');
  expect(await session.exitCode()).toBe(3);
});

test('the interrupt key reaches the foreground job and not the shell', async () => {
  const session = engine.docker.terminal(size, 'run', '--rm', '-it', 'busybox', 'sh');
  await session.says(SHELL_PROMPT);
  session.write('echo go-$((1 + 1)); sleep 300\n');
  await session.says('go-2');
  await delay(300);
  session.write('\u0003');
  // eslint-disable-next-line no-control-regex -- what a terminal sends
  await session.says(/\^C[\s\S]*# (\u001b\[6n)?$/);
  session.write('exit 4\n');
  expect(await session.exitCode()).toBe(4);
});

test('-t without -i writes carriage returns and one stream', async () => {
  const { stdout, stderr } = await engine.docker.run([
    'run',
    '--rm',
    '-t',
    'busybox',
    'sh',
    '-c',
    'echo a; echo b >&2',
  ]);
  expect(stdout).toBe('a\r\nb\r\n');
  expect(stderr).toBe('');
});

test('TERM is set with a terminal and only then', async () => {
  expect(await engine.docker.ok('run', '--rm', '-t', 'busybox', 'sh', '-c', 'echo [$TERM]')).toContain('[xterm]');
  expect(await engine.docker.ok('run', '--rm', 'busybox', 'sh', '-c', 'echo [$TERM]')).toBe('[]');
});
