import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { addon, shimPath } from '../../daemon/runtime/index.js';
import type { NativeError } from '../../daemon/runtime/index.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-addon-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const failure = async (promise: Promise<unknown>): Promise<NativeError> =>
  promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: NativeError) => error,
  );

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await sleep(10);
  expect(condition()).toBe(true);
}

test('spreadSubdirectories sets the flag of ext4, and does nothing elsewhere', () => {
  // Where containers are tested: on a real file system, which /tmp need not be.
  const onDisk = mkdtempSync(join(process.env['GANTRY_TEST_ROOT'] ?? '/var/tmp', 'gantry-addon-'));
  try {
    addon.spreadSubdirectories(onDisk);
    addon.spreadSubdirectories(onDisk);
    const type = execFileSync('stat', ['-f', '-c', '%T', onDisk]).toString().trim();
    if (type === 'ext2/ext3') expect(execFileSync('lsattr', ['-d', onDisk]).toString().split(' ')[0]).toContain('T');
    addon.spreadSubdirectories('/dev/shm');
    expect(() => addon.spreadSubdirectories(join(onDisk, 'absent'))).toThrow(/absent: No such file/);
  } finally {
    rmSync(onDisk, { recursive: true });
  }
});

describe('errors', () => {
  test('carry the operation, the errno and its name', async () => {
    const error = await failure(addon.cgroupStats('/gantry-absent'));
    expect(error.message).toContain('No such file or directory');
    expect(error).toMatchObject({ errno: 2, code: 'ENOENT' });
    expect(error.operation).toContain('/gantry-absent');
  });

  test('come from synchronous functions too', () => {
    expect(() => addon.loadShim(join(directory, 'absent'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });

  test('an argument of the wrong type is refused', () => {
    expect(() => addon.cgroupStats(7 as unknown as string)).toThrow('string');
  });

  test('a cgroup path cannot leave the hierarchy', async () => {
    expect(await failure(addon.cgroupRemove('/gantry/../..'))).toMatchObject({ code: 'EINVAL' });
  });
});

describe('host', () => {
  test('is described', () => {
    const host = addon.hostInfo();
    expect([1, 2]).toContain(host.cgroupVersion);
    expect(host.cpus).toBeGreaterThan(0);
    expect(host.memoryBytes).toBeGreaterThan(1 << 26);
    expect(host.controllers).toContain('memory');
  });

  test('favordynmods is held by a hierarchy that goes with its descriptor', async () => {
    const hierarchy = `name=gantry-${process.pid}:`;
    const isMounted = () => readFileSync('/proc/self/cgroup', 'utf8').includes(hierarchy);
    const held = addon.holdFavorDynMods();
    if (held < 0) return;
    expect(isMounted()).toBe(true);
    addon.closeDescriptor(held);
    await until(() => !isMounted());
  });

  test('descriptors of another process are not taken from the environment', () => {
    process.env.LISTEN_PID = '1';
    process.env.LISTEN_FDS = '2';
    expect(addon.listenDescriptors()).toEqual([]);
    delete process.env.LISTEN_PID;
    delete process.env.LISTEN_FDS;
  });
});

describe('cgroups', () => {
  test('removing and listing what is not there is fine', async () => {
    await addon.cgroupRemove('/gantry-absent');
    expect(await addon.cgroupChildren('/gantry-absent')).toEqual([]);
    expect(await addon.cgroupProcesses('/gantry-absent')).toEqual([]);
  });

  test('a limit of the wrong type is refused by name', async () => {
    const error = await failure(addon.cgroupUpdate('/gantry-absent', { memory: { limit: '1g' } }));
    expect(error).toMatchObject({ operation: 'linux.resources.memory.limit', code: 'EINVAL' });
  });
});

describe('networks', () => {
  test('a namespace is a descriptor', async () => {
    const namespace = await addon.createNetworkNamespace();
    const name = readlinkSync(`/proc/self/fd/${namespace}`);
    expect(name).toMatch(/^net:/);
    expect(name).not.toBe(readlinkSync('/proc/self/ns/net'));
    addon.closeDescriptor(namespace);
  });

  test('links are looked up', () => {
    expect(addon.linkExists('lo')).toBe(true);
    expect(addon.linkExists('gantry-absent')).toBe(false);
  });

  test('a change of a firewall that is not there is refused with the reason', async () => {
    const added = [{ set: 'bridges', key: ['br0'], value: [] }];
    const error = await failure(addon.changeFirewall('gantry-absent', [], added));
    expect(error.message).toContain('add elements to nftables set inet gantry-absent bridges');
    expect(error.code).toBe('ENOENT');
  });
});

test('the default seccomp profile compiles', async () => {
  const profile = readFileSync('daemon/runtime/seccomp-default.json', 'utf8');
  const path = join(directory, 'filter.bpf');
  await addon.compileSeccomp(profile, ['CAP_CHOWN'], path);
  expect(statSync(path).size).toBeGreaterThan(1000);
  expect(statSync(path).size % 8).toBe(0);
});

describe('trees', () => {
  test('are removed without following links', async () => {
    const outside = join(directory, 'outside');
    const tree = join(directory, 'tree');
    mkdirSync(outside);
    writeFileSync(join(outside, 'kept'), '');
    mkdirSync(tree);
    symlinkSync(outside, join(tree, 'link'));
    symlinkSync(outside, join(directory, 'link'));
    await addon.removeTree(tree);
    await addon.removeTree(join(directory, 'link'));
    await addon.removeTree(join(directory, 'absent'));
    expect(existsSync(tree)).toBe(false);
    expect(existsSync(join(directory, 'link'))).toBe(false);
    expect(existsSync(join(outside, 'kept'))).toBe(true);
  });

  test('may be deeper than what is kept open of them', async () => {
    const tree = join(directory, 'tree');
    const down = 'd/'.repeat(100);
    for (const side of ['left', 'right']) mkdirSync(join(tree, side, down), { recursive: true });
    writeFileSync(join(tree, 'left', down, 'file'), 'x'.repeat(10));
    expect(await addon.diskUsage(tree)).toBe(10);
    await addon.removeTree(tree);
    expect(existsSync(tree)).toBe(false);
  });

  test('count each inode once', async () => {
    writeFileSync(join(directory, 'one'), 'x'.repeat(1000));
    linkSync(join(directory, 'one'), join(directory, 'two'));
    writeFileSync(join(directory, 'three'), 'x'.repeat(24));
    expect(await addon.diskUsage(directory)).toBe(1024);
    expect(await addon.diskUsage(join(directory, 'removed', 'meanwhile'))).toBe(0);
  });
});

describe('shims', () => {
  test('run from memory that nobody can change', () => {
    const shim = addon.loadShim(shimPath);
    const writable = openSync(`/proc/self/fd/${shim}`, 'r+');
    expect(() => writeSync(writable, 'x')).toThrow('EPERM');
    closeSync(writable);
    addon.closeDescriptor(shim);
  });

  test('are started, spoken to and reaped', async () => {
    const shim = addon.loadShim(shimPath);
    const log = join(directory, 'shim.log');
    const { pid, control } = await addon.spawnShim(shim, directory.length);
    expect(pid).toBeGreaterThan(0);
    addon.assignShim(control, { bundle: directory, log, sockets: [] });
    await until(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `gantry-shim\0--bundle\0${directory}\0`);
    expect(readlinkSync(`/proc/self/fd/${control}`)).toMatch(/^socket:/);
    addon.closeDescriptor(control);
    await until(() => {
      addon.reap(pid);
      return !existsSync(`/proc/${pid}`);
    });
    expect(existsSync(log)).toBe(true);
    addon.reap(pid);
    addon.closeDescriptor(shim);
  });

  test('end with the connection on which nobody has told them what they are for', async () => {
    const shim = addon.loadShim(shimPath);
    const { pid, control } = await addon.spawnShim(shim, directory.length);
    addon.closeDescriptor(control);
    await until(() => {
      addon.reap(pid);
      return !existsSync(`/proc/${pid}`);
    });
    addon.closeDescriptor(shim);
  });

  test('that cannot be executed are an error', async () => {
    const file = join(directory, 'no-program');
    writeFileSync(file, 'this is not a program');
    const shim = addon.loadShim(file);
    const error = { operation: 'execute a shim', code: 'ENOEXEC' };
    await expect(addon.spawnShim(shim, 0)).rejects.toThrow(expect.objectContaining(error));
    addon.closeDescriptor(shim);
  });
});

test('how far an archive is read can be seen meanwhile', async () => {
  writeFileSync(join(directory, 'content'), Buffer.alloc(300_000));
  const archive = execFileSync('tar', ['-C', directory, '-c', 'content']);
  const [readEnd, writeEnd] = addon.pipe();
  const consumed = addon.newByteCounter();
  mkdirSync(join(directory, 'target'));
  const target = { kind: 'directory', path: join(directory, 'target') } as const;
  const unpacking = addon.unpack(target, '/', readEnd, { consumed });
  expect(addon.countedBytes(consumed)).toBe(0);
  const half = archive.subarray(0, 150_000);
  writeSync(writeEnd, half);
  await until(() => addon.countedBytes(consumed) === half.length);
  writeSync(writeEnd, archive.subarray(half.length));
  closeSync(writeEnd);
  await unpacking;
  expect(addon.countedBytes(consumed)).toBe(archive.length);
});
