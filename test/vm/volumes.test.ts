import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useEngine } from '../support/test-engine.js';

/** A volume on a file server, which is this machine itself: the kernel's own, without any program around it. */
const engine = useEngine();
const exported = mkdtempSync('/tmp/export-');

/** Gives the kernel the answers that rpc.mountd would give it. */
beforeAll(() => {
  execFileSync('modprobe', ['nfsd']);
  execFileSync('mount', ['-t', 'nfsd', 'nfsd', '/proc/fs/nfsd']);
  const expiry = Math.floor(Date.now() / 1000) + 100_000;
  // Any port of the client, no check of subtrees, the root of the server: NFSEXP_… of linux/nfsd/export.h.
  const flags = 0x2 | 0x400 | 0x2000;
  const write = (path: string, text: string): void => writeFileSync(path, `${text}\n`);
  write('/proc/net/rpc/auth.unix.ip/channel', `nfsd 127.0.0.1 ${expiry} all`);
  write('/proc/net/rpc/nfsd.export/channel', `all ${exported} ${expiry} ${flags} 65534 65534 0`);
  write('/proc/net/rpc/nfsd.fh/channel', `all 1 \\x00000000 ${expiry} ${exported}`);
  write('/proc/fs/nfsd/versions', '-2 -3 +4');
  write('/proc/fs/nfsd/portlist', 'tcp 2049');
  write('/proc/fs/nfsd/threads', '2');
  // Nobody has been here before, who would have something to claim.
  write('/proc/fs/nfsd/v4_end_grace', 'Y');
});
afterAll(() => writeFileSync('/proc/fs/nfsd/threads', '0\n'));

const nfsMounts = (): string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[2] === 'nfs4');

test('on NFS: mounted while it is used, also across a kill of the daemon', async () => {
  mkdirSync(join(exported, 'part'), { recursive: true });
  writeFileSync(join(exported, 'part/greeting'), 'hello');
  const options = ['type=nfs', 'o=addr=localhost,rw,nfsvers=4.2', 'device=:/'];
  await engine.docker.ok('volume', 'create', ...options.flatMap((option) => ['--opt', option]), 'remote');
  expect(nfsMounts()).toEqual([]);
  await engine.docker.ok('run', '-d', '--init', '--name', 'box', '-v', 'remote:/r', 'busybox', 'sleep', '600');
  expect(await engine.docker.ok('exec', 'box', 'cat', '/r/part/greeting')).toBe('hello');
  expect(nfsMounts()).toHaveLength(1);
  await engine.docker.ok('exec', 'box', 'sh', '-c', 'echo mine >/r/part/written');
  expect(readFileSync(join(exported, 'part/written'), 'utf8')).toBe('mine\n');
  await engine.daemon!.kill();
  await engine.daemon!.start();
  const part = 'type=volume,src=remote,dst=/p,volume-subpath=part,readonly';
  expect(await engine.docker.ok('run', '--rm', '--mount', part, 'busybox', 'cat', '/p/written')).toBe('mine');
  await engine.docker.ok('rm', '--force', 'box');
  expect(nfsMounts()).toEqual([]);
  await engine.docker.ok('volume', 'rm', 'remote');
  expect(readFileSync(join(exported, 'part/written'), 'utf8')).toBe('mine\n');
});
