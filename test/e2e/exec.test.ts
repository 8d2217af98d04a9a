import { readlinkSync } from 'node:fs';
import { eventually } from '../support/eventually.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

beforeEach(async () => {
  await engine.docker.ok('run', '-d', '--name', 'host', '-e', 'FROM_RUN=1', '-w', '/tmp', 'busybox', 'sleep', '300');
});

const exec = (...args: string[]): Promise<string> => engine.docker.ok('exec', ...args);

test.each([
  ['exit 0', 0],
  ['exit 42', 42],
  ['sleep 60 & kill -9 $!; wait $!', 137],
])('exit code of "%s" is %i', async (script, expected) => {
  expect((await engine.docker.run(['exec', 'host', 'sh', '-c', script])).code).toBe(expected);
});

test('a command that does not exist is 127, one that cannot run 126', async () => {
  const absent = await engine.docker.run(['exec', 'host', 'no-such-command']);
  expect(absent.code).toBe(127);
  expect(absent.stderr + absent.stdout).toContain('no-such-command');
  expect((await engine.docker.run(['exec', 'host', '/etc/passwd'])).code).toBe(126);
});

test('what cannot be started for another reason says so, too', async () => {
  const relative = await engine.docker.run(['exec', '-w', 'relative', 'host', 'pwd']);
  expect(relative.stderr + relative.stdout).toMatch(/OCI runtime exec failed: .*not an absolute path/);
  expect(relative.code).toBe(128);
});

test('streams come apart, and -i passes stdin', async () => {
  const script = 'cat; echo to-err >&2';
  const { stdout, stderr } = await engine.docker.run(['exec', '-i', 'host', 'sh', '-c', script], { input: 'in\n' });
  expect({ stdout, stderr }).toEqual({ stdout: 'in\n', stderr: 'to-err\n' });
});

test('environment: that of the container, and -e on top', async () => {
  expect(await exec('-e', 'FROM_EXEC=2', 'host', 'sh', '-c', 'echo $FROM_RUN$FROM_EXEC $HOME')).toBe('12 /root');
});

test('working directory: that of the container, or -w', async () => {
  expect(await exec('host', 'pwd')).toBe('/tmp');
  expect(await exec('-w', '/etc', 'host', 'pwd')).toBe('/etc');
});

test('-u takes names and numbers, with and without a group', async () => {
  const operator = await exec('-u', 'operator', 'host', 'sh', '-c', 'id -u; id -g; id -G');
  const [uid, gid, groups] = operator.split('\n');
  expect([uid, gid, groups?.split(' ').sort()]).toEqual(['37', '37', ['29', '37', '50']]);
  expect(await exec('-u', '1234:50', 'host', 'sh', '-c', 'id -u; id -g')).toBe('1234\n50');
  expect(await exec('-u', 'operator:audio', 'host', 'id', '-g')).toBe('29');
  expect(await engine.docker.fails('exec', '-u', 'nobody-knows', 'host', 'id')).toMatch(
    /unable to find user nobody-knows/,
  );
});

test('-d returns at once and the process runs on', async () => {
  await exec('-d', 'host', 'sh', '-c', 'sleep 2; echo late > /tmp/mark');
  expect((await engine.docker.run(['exec', 'host', 'cat', '/tmp/mark'])).code).not.toBe(0);
  await eventually(
    () => engine.docker.run(['exec', 'host', 'cat', '/tmp/mark']),
    ({ stdout }) => stdout === 'late\n',
  );
});

test('--privileged gives all capabilities to this process only', async () => {
  const effective = ['host', 'grep', 'CapEff', '/proc/self/status'];
  const plain = await exec(...effective);
  expect(plain).toContain('00000000a80425fb');
  expect(await exec('--privileged', ...effective)).not.toBe(plain);
});

test('the process is in all of the container, and sees no descriptors but its own', async () => {
  await exec('-d', 'host', 'sleep', '1234');
  const table = (await engine.docker.ok('top', 'host', '-o', 'pid,args')).split('\n').slice(1);
  const [first, second] = table.map((line) => line.trim().split(/\s+/)[0]);
  for (const namespace of ['ipc', 'mnt', 'net', 'pid', 'uts', 'cgroup']) {
    expect(readlinkSync(`/proc/${second}/ns/${namespace}`)).toBe(readlinkSync(`/proc/${first}/ns/${namespace}`));
  }
  expect(await exec('host', 'ls', '/proc/self/fd')).toBe('0\n1\n2\n3');
});

test('what an exec has left running ends with the container', async () => {
  await exec('-d', 'host', 'sleep', '4321');
  await engine.docker.ok('kill', 'host');
  await engine.docker.ok('start', 'host');
  expect(await exec('host', 'ps')).not.toContain('4321');
});

test('only a running container can be entered', async () => {
  await engine.docker.ok('pause', 'host');
  expect(await engine.docker.fails('exec', 'host', 'true')).toMatch(/is paused/);
  await engine.docker.ok('unpause', 'host');
  await engine.docker.ok('kill', 'host');
  expect(await engine.docker.fails('exec', 'host', 'true')).toMatch(/is not running/);
});

test('twenty at once all give their own answer', async () => {
  const numbers = Array.from({ length: 20 }, (_, index) => index);
  const results = await Promise.all(
    numbers.map((n) => engine.docker.run(['exec', 'host', 'sh', '-c', `echo number ${n}; exit ${n}`])),
  );
  expect(results.map(({ code, stdout }) => [code, stdout])).toEqual(numbers.map((n) => [n, `number ${n}\n`]));
});

test('an exec goes with its container, and is as likely to be killed for memory', async () => {
  await engine.docker.ok('run', '-d', '--name', 'scored', '--oom-score-adj', '321', 'busybox', 'sleep', '300');
  expect(await exec('scored', 'cat', '/proc/self/oom_score_adj')).toBe('321');
  const { Id } = await engine.client.json<{ Id: string }>('POST', '/containers/scored/exec', {
    Cmd: ['true'],
    DetachKeys: 'ctrl-a,b',
  });
  const { DetachKeys } = await engine.client.json<{ DetachKeys: string }>('GET', `/exec/${Id}/json`);
  expect(Buffer.from(DetachKeys, 'base64')).toEqual(Buffer.from([1, 'b'.charCodeAt(0)]));
  await engine.docker.ok('rm', '-f', 'scored');
  expect((await engine.client.send('GET', `/exec/${Id}/json`)).status).toBe(404);
});

test('who waits for an exec learns its exit code, though its container has been removed', async () => {
  await engine.docker.ok('run', '-d', '--name', 'brief', 'busybox', 'sleep', '300');
  const session = engine.docker.session('exec', 'brief', 'sh', '-c', 'echo runs; sleep 300');
  await session.says('runs\n');
  await engine.docker.ok('rm', '-f', 'brief');
  expect(await session.exitCode()).toBe(137);
  expect(session.stderr).toBe('');
});

test('a new size for an exec without a terminal changes nothing, as with Docker', async () => {
  await engine.docker.ok('run', '-d', '--name', 'plain', 'busybox', 'sleep', '300');
  const { Id } = await engine.client.json<{ Id: string }>('POST', '/containers/plain/exec', { Cmd: ['sleep', '300'] });
  await engine.client.send('POST', `/exec/${Id}/start`, { Detach: true });
  expect((await engine.client.send('POST', `/exec/${Id}/resize?h=10&w=20`)).status).toBe(200);
});
