import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { ask, Listening } from '../support/network-peers.js';
import { useEngine } from '../support/test-engine.js';

/** A host and another one beside it; the host's nftables hold what only its maker understands. */
const host = `fh${process.pid}`;
const other = `fo${process.pid}`;
const SCRIPT = resolve(import.meta.dirname, '../../../test/support/foreign-ruleset.py');

const run = (...words: [string, ...string[]]): string =>
  execFileSync(words[0], words.slice(1), { encoding: 'utf8', stdio: 'pipe' });
const onHost = (...words: string[]): string => run('nsenter', `--net=/run/netns/${host}`, ...words);
const foreign = (verb: 'make' | 'show', table: string): string => onHost('python3', SCRIPT, verb, table);

for (const name of [host, other]) run('ip', 'netns', 'add', name);
onHost('ip', 'link', 'set', 'lo', 'up');
onHost('ip', 'link', 'add', 'beyond', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', other);
onHost('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'beyond');
onHost('ip', 'link', 'set', 'beyond', 'up');
run('ip', '-n', other, 'address', 'add', '192.0.2.2/24', 'dev', 'eth0');
run('ip', '-n', other, 'link', 'set', 'eth0', 'up');
onHost('iptables', '-P', 'FORWARD', 'DROP');
foreign('make', 'theirs');

const engine = useEngine([], { directory: '', runner: ['nsenter', `--net=/run/netns/${host}`] });
afterAll(() => {
  for (const name of [host, other]) run('ip', 'netns', 'delete', name);
});

const rulesInForward = (): string[] =>
  onHost('iptables', '-S', 'FORWARD')
    .split('\n')
    .filter((line) => line.includes('0x10000000'));

async function expectPublished(name: string): Promise<void> {
  await engine.docker.ok('run', '-d', '--name', name, '-p', '80', 'busybox', 'sleep', '300');
  const pid = await engine.docker.ok('inspect', '-f', '{{.State.Pid}}', name);
  const listening = await Listening.start(`/proc/${pid}/ns/net`, 'tcp', 80);
  try {
    const port = Number((await engine.docker.ok('port', name, '80/tcp')).split('\n')[0]!.split(':').at(-1));
    // Through netfilter and past FORWARD: the container sees who asks.
    expect(await ask(`/run/netns/${other}`, 'tcp', '192.0.2.1', port)).toBe('192.0.2.2');
  } finally {
    await listening.stop();
  }
}

test('sets that only their maker understands are neither read nor touched', async () => {
  const before = foreign('show', 'theirs');
  await expectPublished('first');
  expect(rulesInForward()).toHaveLength(1);

  // While it runs, too, and at its next start.
  foreign('make', 'later');
  await expectPublished('second');
  await engine.daemon!.kill();
  await engine.daemon!.start();
  await expectPublished('third');
  expect(rulesInForward()).toHaveLength(1);
  await engine.docker.ok('network', 'create', 'app');
  await engine.docker.ok('network', 'rm', 'app');

  await engine.docker.ok('rm', '--force', 'first', 'second', 'third');
  await engine.daemon!.stop();
  expect(rulesInForward()).toHaveLength(0);
  await engine.daemon!.start();
  expect(foreign('show', 'theirs')).toBe(before);
  expect(before.split('\n').length).toBeGreaterThan(8);
});
