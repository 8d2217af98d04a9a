import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readdirSync, statfsSync } from 'node:fs';
import { seedBusybox } from '../support/busybox-image.js';
import { DaemonProcess } from '../support/daemon-process.js';
import { DockerCli } from '../support/docker-cli.js';
import { eventually } from '../support/eventually.js';
import { SLOWNESS } from '../support/slowness.js';

jest.setTimeout(60_000 * SLOWNESS);

let daemon: DaemonProcess;
let docker: DockerCli;

const freeBlocks = (): number => statfsSync(daemon.dataRoot).bfree;

/** A container that writes until nothing is left, and one that only runs. */
async function fillDisk(): Promise<void> {
  await docker.ok('run', '-d', '--name', 'idle', '--net', 'none', 'busybox', 'sleep', '1000');
  await docker.ok(
    'run',
    '-d',
    '--name',
    'hog',
    '--net',
    'none',
    'busybox',
    'sh',
    '-c',
    'cat /dev/zero > /hog; sleep 1000',
  );
  await eventually(freeBlocks, (free) => free === 0);
}

beforeAll(async () => {
  daemon = new DaemonProcess();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', daemon.dataRoot]);
  await daemon.start();
  docker = new DockerCli(daemon.host, () => daemon.logTail());
  await seedBusybox(daemon.socketPath);
});

afterAll(async () => {
  await daemon.stop();
  execFileSync('umount', ['--lazy', daemon.dataRoot]);
  docker.dispose();
  await daemon.dispose();
});

test('on a disk that a container has filled, the others are at hand, and it can be removed', async () => {
  await fillDisk();
  expect(await docker.ok('exec', 'idle', 'echo', 'here')).toBe('here');
  await docker.ok('stop', '-t', '0', 'idle');
  expect(await docker.ok('wait', 'idle')).toBe('137');
  await docker.ok('rm', '-f', 'hog', 'idle');
  await eventually(freeBlocks, (free) => free > 1000);
  expect(await docker.ok('run', '--rm', 'busybox', 'echo', 'again')).toBe('again');
});

test('who is refused for the lack of room leaves nothing behind, and is told why', async () => {
  await fillDisk();
  expect(await docker.fails('run', '--name', 'late', 'busybox', 'true')).toMatch(/no space left on device/i);
  await docker.ok('rm', '-f', 'hog', 'idle');
  await docker.run(['rm', '-f', 'late']);
  expect(readdirSync(`${daemon.dataRoot}/containers`)).toEqual([]);
});

test('a daemon that is killed while the disk is full comes back', async () => {
  await fillDisk();
  await daemon.kill();
  await daemon.start();
  expect(await docker.ok('ps', '--format', '{{.Names}}')).toBe('hog\nidle');
  await docker.ok('rm', '-f', 'hog', 'idle');
});
