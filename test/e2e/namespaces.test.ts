import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

const sh = (script: string, ...flags: string[]): Promise<string> =>
  engine.docker.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

const namespace = (kind: string, ...flags: string[]): Promise<string> => sh(`readlink /proc/self/ns/${kind}`, ...flags);
const ofHost = (kind: string): string => readlinkSync(`/proc/self/ns/${kind}`);

beforeEach(async () => {
  await engine.docker.ok(
    'run',
    '-d',
    '--name',
    'other',
    '--ipc',
    'shareable',
    '-h',
    'other-host',
    'busybox',
    'sleep',
    '4711',
  );
});

test.each(['pid', 'net', 'ipc', 'uts', 'mnt'])('%s is a namespace of its own', async (kind) => {
  const [first, second] = await Promise.all([namespace(kind), namespace(kind)]);
  expect(first).toMatch(new RegExp(`^${kind}:\\[\\d+\\]$`));
  expect(first).not.toBe(ofHost(kind));
  expect(first).not.toBe(await engine.docker.ok('exec', 'other', 'readlink', `/proc/self/ns/${kind}`));
  expect(second).not.toBe(ofHost(kind));
});

test.each([
  ['pid', '--pid'],
  ['net', '--network'],
  ['ipc', '--ipc'],
  ['uts', '--uts'],
])("%s can be the host's", async (kind, flag) => {
  expect(await namespace(kind, flag, 'host')).toBe(ofHost(kind));
});

test.each([
  ['pid', '--pid'],
  ['net', '--network'],
  ['ipc', '--ipc'],
])("%s can be another container's", async (kind, flag) => {
  expect(await namespace(kind, flag, 'container:other')).toBe(
    await engine.docker.ok('exec', 'other', 'readlink', `/proc/self/ns/${kind}`),
  );
});

test('in the pid namespace of another its processes are seen, and it does not end with ours', async () => {
  expect(await sh('ps -o args', '--pid', 'container:other')).toContain('sleep 4711');
  expect(await engine.docker.ok('inspect', '-f', '{{.State.Running}}', 'other')).toBe('true');
});

test('in the network of another the host name and files are its own, too', async () => {
  const files = 'hostname; cat /etc/hostname';
  expect(await sh(files, '--network', 'container:other')).toBe('other-host\nother-host');
  // Also for who joins it by way of a third one.
  await engine.docker.ok('run', '-d', '--name', 'between', '--network', 'container:other', 'busybox', 'sleep', '300');
  expect(await sh(files, '--network', 'container:between')).toBe('other-host\nother-host');
  const copied = await engine.docker.ok('cp', 'between:/etc/hostname', '-');
  expect(copied).toContain('other-host\n');
});

test('what has no effect in the namespace of another is refused', async () => {
  const run = (...flags: string[]): Promise<string> => engine.docker.fails('run', '--rm', ...flags, 'busybox', 'true');
  expect(await run('--uts', 'host', '-h', 'mine')).toContain('conflicting options: hostname and the UTS mode');
  const joining = (...flags: string[]): Promise<string> => run('--network', 'container:other', ...flags);
  expect(await joining('-h', 'mine')).toContain('conflicting options: hostname and the network mode');
  expect(await joining('--dns', '192.0.2.1')).toContain('conflicting options: dns and the network mode');
  expect(await joining('--add-host', 'a:192.0.2.1')).toContain('custom host-to-IP mapping and the network mode');
  expect(await joining('--expose', '80')).toContain('port exposing and the container type network mode');
  // A 404 would have the CLI pull the image.
  const absent = await run('--network', 'container:nobody');
  expect(absent).toContain('No such container: nobody');
  expect(absent).not.toContain('Unable to find image');
});

test("with the host's uts the name is the host's", async () => {
  expect(await sh('hostname', '--uts', 'host')).toBe(hostname());
});

test('shared memory is shared with --ipc container: and only so', async () => {
  await engine.docker.ok('exec', 'other', 'sh', '-c', 'echo shared > /dev/shm/x');
  expect(await sh('cat /dev/shm/x', '--ipc', 'container:other')).toBe('shared');
  expect(await sh('ls /dev/shm')).toBe('');
  expect(await sh('ls -d /dev/shm 2>&1 || true; mount | grep -c shm || true', '--ipc', 'none')).toMatch(/\n0$/);
});

test('a container that is not there, or does not run, cannot be joined', async () => {
  expect(await engine.docker.fails('run', '--rm', '--pid', 'container:nobody', 'busybox', 'true')).toMatch(
    /No such container: nobody/i,
  );
  await engine.docker.ok('create', '--name', 'still', 'busybox', 'true');
  expect(await engine.docker.fails('run', '--rm', '--network', 'container:still', 'busybox', 'true')).toMatch(
    /cannot join network (namespace )?of a non running container/i,
  );
});

test('a private ipc cannot be joined', async () => {
  await engine.docker.ok('run', '-d', '--name', 'private', '--ipc', 'private', 'busybox', 'sleep', '300');
  expect(await engine.docker.fails('run', '--rm', '--ipc', 'container:private', 'busybox', 'true')).toMatch(
    /non-shareable IPC/,
  );
});

test('--cgroupns private hides where the container is, host shows it', async () => {
  expect(await sh('grep -c "[0-9a-f]\\{64\\}" /proc/self/cgroup || true', '--cgroupns', 'private')).toBe('0');
  expect(Number(await sh('grep -c "[0-9a-f]\\{64\\}" /proc/self/cgroup', '--cgroupns', 'host'))).toBeGreaterThan(0);
});

test('--userns host is accepted and is the user namespace of the host', async () => {
  expect(await namespace('user', '--userns', 'host')).toBe(ofHost('user'));
});
