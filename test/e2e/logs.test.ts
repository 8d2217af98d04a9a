import { setTimeout as delay } from 'node:timers/promises';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

/** Runs a script to its end in a container called `talker`. */
async function talker(script: string, ...flags: string[]): Promise<void> {
  await engine.docker.ok('run', '-d', '--name', 'talker', ...flags, 'busybox', 'sh', '-c', script);
}

async function finished(script: string, ...flags: string[]): Promise<void> {
  await talker(script, ...flags);
  await engine.docker.ok('wait', 'talker');
}

test('streams come apart and in order', async () => {
  await finished('echo one; echo two >&2; echo three');
  const { stdout, stderr } = await engine.docker.run(['logs', 'talker']);
  expect({ stdout, stderr }).toEqual({ stdout: 'one\nthree\n', stderr: 'two\n' });
});

test('-n gives the last lines, 0 gives none', async () => {
  await finished('seq 1000');
  expect(await engine.docker.ok('logs', '-n', '3', 'talker')).toBe('998\n999\n1000');
  expect(await engine.docker.ok('logs', '-n', '0', 'talker')).toBe('');
  expect((await engine.docker.ok('logs', '-n', '5000', 'talker')).split('\n')).toHaveLength(1000);
});

test('-t puts a time before each line', async () => {
  const before = Date.now();
  await finished('echo one; echo two');
  const lines = (await engine.docker.ok('logs', '-t', 'talker')).split('\n');
  expect(lines.map((line) => line.replace(/^\S+ /, ''))).toEqual(['one', 'two']);
  for (const line of lines) {
    expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /);
    expect(Math.abs(Date.parse(line.split(' ')[0] ?? '') - before)).toBeLessThan(10_000);
  }
});

test('--since and --until cut by time', async () => {
  await finished('echo early; sleep 1.2; echo middle; sleep 1.2; echo late');
  const stamped = (await engine.docker.ok('logs', '-t', 'talker')).split('\n');
  const times = stamped.map((line) => Date.parse(line.split(' ')[0] ?? ''));
  const between = (a: number, b: number): string => new Date(((times[a] ?? 0) + (times[b] ?? 0)) / 2).toISOString();
  expect(await engine.docker.ok('logs', '--since', between(0, 1), 'talker')).toBe('middle\nlate');
  expect(await engine.docker.ok('logs', '--until', between(1, 2), 'talker')).toBe('early\nmiddle');
  expect(await engine.docker.ok('logs', '--since', between(0, 1), '--until', between(1, 2), 'talker')).toBe('middle');
  expect(await engine.docker.ok('logs', '--since', '1h', 'talker')).toBe('early\nmiddle\nlate');
});

test('-f follows until the container ends', async () => {
  await talker('echo first; sleep 0.5; echo second; sleep 0.5; echo third');
  const session = engine.docker.session('logs', '-f', 'talker');
  await session.says('first');
  expect(session.stdout).not.toContain('third');
  expect(await session.exitCode()).toBe(0);
  expect(session.stdout).toBe('first\nsecond\nthird\n');
});

test('-f of a container that has ended gives everything and ends', async () => {
  await finished('seq 10');
  const session = engine.docker.session('logs', '-f', 'talker');
  expect(await session.exitCode()).toBe(0);
  expect(session.stdout.split('\n')).toHaveLength(11);
});

test('-f --tail starts near the end and misses nothing after it', async () => {
  await talker('for i in $(seq 1 300); do echo $i; sleep 0.005; done');
  await delay(300);
  const session = engine.docker.session('logs', '-f', '--tail', '2', 'talker');
  expect(await session.exitCode()).toBe(0);
  const numbers = session.stdout.trim().split('\n').map(Number);
  expect(numbers.at(-1)).toBe(300);
  expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
});

test('-f with --until ends at that time', async () => {
  await talker('while :; do echo tick; sleep 0.1; done');
  const started = Date.now();
  const session = engine.docker.session('logs', '-f', '--until', '1s', 'talker');
  session.kill('SIGCONT');
  expect(await session.exitCode()).toBe(0);
  expect(Date.now() - started).toBeLessThan(10_000);
});

test('--details shows the labels and variables that were asked for', async () => {
  await finished('echo line', '--label', 'colour=red', '--log-opt', 'labels=colour');
  expect(await engine.docker.ok('logs', '--details', 'talker')).toBe('colour=red line');
});

test('--details shows what a pattern selects, and the tag', async () => {
  const options = ['labels-regex=^col', 'env-regex=^SHAPE$', 'tag=mark'].flatMap((option) => ['--log-opt', option]);
  await finished('echo line', '--label', 'colour=red', '--label', 'size=5', '-e', 'SHAPE=round', ...options);
  expect(await engine.docker.ok('logs', '--details', 'talker')).toBe('SHAPE=round,colour=red,tag=mark line');
});

test.each([
  ['mode=sometimes', /logging mode not supported: sometimes/],
  ['compress=true', /log opt 'compress' is not supported/],
  ['tag={{.Name}}', /template in log opt 'tag' is not supported/],
  ['labels-regex=(', /invalid regular expression/],
  ['colour=red', /unknown log opt 'colour' for json-file log driver/],
])('--log-opt %s is refused', async (option, reason) => {
  expect(await engine.docker.fails('create', '--log-opt', option, 'busybox')).toMatch(reason);
});

test('a line without an end, a very long one and odd bytes come back unchanged', async () => {
  const script = 'head -c 100000 /dev/zero | tr "\\0" x; echo; printf "caf\\303\\251 \\001\\n"; printf tail';
  await finished(script);
  const { stdout } = await engine.docker.runBinary(['logs', 'talker']);
  expect(stdout.toString()).toBe(`${'x'.repeat(100_000)}\ncafé \u0001\ntail`);
});

test('the log goes on over restarts', async () => {
  await finished('echo again');
  await engine.docker.ok('start', 'talker');
  await engine.docker.ok('wait', 'talker');
  expect(await engine.docker.ok('logs', 'talker')).toBe('again\nagain');
});

test('max-size and max-file rotate; what is left is the end', async () => {
  await finished('seq 1 30000', '--log-opt', 'max-size=200k', '--log-opt', 'max-file=2');
  const numbers = (await engine.docker.ok('logs', 'talker')).split('\n').map(Number);
  expect(numbers.at(-1)).toBe(30_000);
  expect(numbers.length).toBeLessThan(15_000);
  expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
});

test('--log-driver none keeps nothing and says so', async () => {
  await finished('echo gone', '--log-driver', 'none');
  expect(await engine.docker.fails('logs', 'talker')).toMatch(/does not support reading/);
});
