import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeCgroups } from '../support/cgroup-directories.js';
import { expectHostAsItWas, takeSnapshot } from '../support/host-snapshot.js';
import type { Instance } from '../support/processes.js';

/** The comparison on which every other end-to-end test leans has to see each thing that can be left behind. */
const root = mkdtempSync(join(tmpdir(), 'snapshot-'));
const instance: Instance = {
  id: `snap-${process.pid}`,
  execRoot: join(root, 'exec'),
  dataRoot: join(root, 'data'),
  bridge: `snap${process.pid}`.slice(0, 15),
  cgroupParent: `/snap-${process.pid}`,
};
const unified = existsSync('/sys/fs/cgroup/unified') ? '/sys/fs/cgroup/unified' : '/sys/fs/cgroup';
const cgroup = join(unified, instance.cgroupParent);

/** Leaves something on the host and answers how to take it away again. */
const leaks: Record<string, () => () => unknown> = {
  mounts: () => {
    const target = join(instance.dataRoot, 'mounted');
    mkdirSync(target, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'left', target]);
    return () => execFileSync('umount', [target]);
  },
  links: () => {
    execFileSync('ip', ['link', 'add', instance.bridge, 'type', 'bridge']);
    return () => execFileSync('ip', ['link', 'delete', instance.bridge]);
  },
  nftables: () => {
    execFileSync('nft', ['add', 'table', 'inet', `gantry_${instance.bridge}`]);
    return () => execFileSync('nft', ['delete', 'table', 'inet', `gantry_${instance.bridge}`]);
  },
  cgroups: () => {
    mkdirSync(join(cgroup, 'left'), { recursive: true });
    return () => removeCgroups(instance.cgroupParent);
  },
  processes: () => {
    const child = spawn('sleep', ['300']);
    mkdirSync(join(cgroup, 'busy'), { recursive: true });
    writeFileSync(join(cgroup, 'busy/cgroup.procs'), String(child.pid));
    return () => {
      child.kill('SIGKILL');
      return removeCgroups(instance.cgroupParent);
    };
  },
  'files of the exec root': () => leaveFile(join(instance.execRoot, 'containers/x'), 'shim.sock'),
  'container directories': () => leaveFile(join(instance.dataRoot, 'containers/x'), 'log'),
  'temporary files': () => leaveFile(join(instance.dataRoot, 'tmp'), 'half'),
  'descriptors of the daemon': () => {
    const fd = openSync('/proc/self/ns/net', 'r');
    return () => closeSync(fd);
  },
};

afterAll(() => rmSync(root, { recursive: true, force: true }));

test.each(Object.keys(leaks))('%s left behind are noticed and named', async (kind) => {
  const before = await takeSnapshot(instance, process.pid);
  await expectHostAsItWas(before, instance, process.pid, 0);
  const takeAway = leaks[kind]?.();
  try {
    await expect(expectHostAsItWas(before, instance, process.pid, 0)).rejects.toThrow(`${kind}: appeared`);
  } finally {
    await takeAway?.();
  }
});

function leaveFile(directory: string, name: string): () => void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, name), '');
  return () => rmSync(directory, { recursive: true });
}
