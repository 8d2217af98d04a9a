import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cgroupDirectories } from './cgroup-directories.js';
import { links, nftablesTables } from './network-links.js';
import { allPids, descriptorsOf, processesOf, type Instance } from './processes.js';

/** What an engine can leave behind on a host, by kind. */
export type HostSnapshot = Record<string, string[]>;

/** On a host that nothing else uses, everything is compared; otherwise what bears the instance's names. */
const WHOLE_HOST = process.env['GANTRY_TEST_WHOLE_HOST'] !== undefined;
const SETTLES_WITHIN_MS = 4000;

/** @param daemonPid whose descriptors are part of the picture; leave it out when it does not run */
export async function takeSnapshot(instance: Instance, daemonPid?: number): Promise<HostSnapshot> {
  const isOurs = (text: string): boolean => WHOLE_HOST || names(instance).some((name) => text.includes(name));
  return {
    mounts: mounts().filter(isOurs),
    links: (await links()).filter(isOurs),
    nftables: (await nftablesTables()).filter(isOurs),
    cgroups: cgroupDirectories(instance.cgroupParent),
    processes: processesOf(instance).map(({ commandLine }) => commandLine),
    'network namespaces': WHOLE_HOST ? networkNamespaces() : [],
    'files of the exec root': filesBelow(instance.execRoot),
    'container directories': list(join(instance.dataRoot, 'containers')),
    'temporary files': list(join(instance.dataRoot, 'tmp')),
    'descriptors of the daemon': daemonPid === undefined ? [] : lastingDescriptors(daemonPid),
  };
}

/**
 * Insists that the host is as it was: nothing is there that was not, nothing is gone. What the kernel takes away by
 * itself (a veth after its namespace) has a few seconds to go.
 */
export async function expectHostAsItWas(
  before: HostSnapshot,
  instance: Instance,
  daemonPid?: number,
  settlesWithinMs = SETTLES_WITHIN_MS,
): Promise<void> {
  const deadline = Date.now() + settlesWithinMs;
  for (;;) {
    const differences = compare(before, await takeSnapshot(instance, daemonPid));
    if (differences.length === 0) return;
    if (Date.now() > deadline) throw new Error(`the host is not as it was:\n${differences.join('\n')}`);
    await delay(50);
  }
}

function compare(before: HostSnapshot, after: HostSnapshot): string[] {
  return Object.keys(before).flatMap((kind) => [
    ...surplus(after[kind] ?? [], before[kind] ?? []).map((item) => `  ${kind}: appeared: ${item}`),
    ...surplus(before[kind] ?? [], after[kind] ?? []).map((item) => `  ${kind}: gone: ${item}`),
  ]);
}

/** What `items` has more of than `others`, counting duplicates. */
function surplus(items: string[], others: string[]): string[] {
  const rest = [...others];
  return items.filter((item) => {
    const index = rest.indexOf(item);
    if (index >= 0) rest.splice(index, 1);
    return index < 0;
  });
}

function names(instance: Instance): string[] {
  return [instance.id, instance.execRoot, instance.dataRoot, instance.bridge];
}

function mounts(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
  // Without the mount and parent ids, which say nothing.
  return lines.map((line) => line.split(' ').slice(2).join(' '));
}

function networkNamespaces(): string[] {
  const found = new Set<string>();
  for (const pid of allPids()) {
    try {
      found.add(readlinkSync(`/proc/${pid}/ns/net`));
    } catch {
      // The process has ended.
    }
  }
  return [...found];
}

/** Descriptors that belong to containers or operations; sockets and pipes come and go with clients. */
function lastingDescriptors(pid: number): string[] {
  return descriptorsOf(pid)
    .map((target) => target.replace(/ \(deleted\)$/, '').replace(/:\[\d+\]$/, ''))
    .filter((target) => /^(net|mnt|anon_inode:\[pidfd\]|pidfd)$/.test(target) || target.includes('/containers/'));
}

function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return (readdirSync(directory, { recursive: true }) as string[]).filter((name) => !name.startsWith('seccomp'));
}

function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
