import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** The names by which the things of one engine are told from everything else on the host. */
export interface Instance {
  readonly id: string;
  readonly execRoot: string;
  readonly dataRoot: string;
  readonly bridge: string;
  readonly cgroupParent: string;
}

export interface ProcessEntry {
  pid: number;
  commandLine: string;
}

/** Processes that carry a path of the instance in their arguments (shims), or live below its cgroup (containers). */
export function processesOf(instance: Instance): ProcessEntry[] {
  return allPids().flatMap((pid) => {
    const commandLine = readQuietly(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
    const cgroups = readQuietly(`/proc/${pid}/cgroup`);
    const isShim = commandLine.includes(`${instance.execRoot}/`) && !commandLine.includes('--exec-root');
    // A cgroup that is deleted holds at most what is dead already and waits for its parent, here or in the test before.
    const isContained = cgroups
      .split('\n')
      .some((line) => line.includes(`:${instance.cgroupParent}/`) && !line.endsWith(' (deleted)'));
    return isShim || isContained ? [{ pid, commandLine }] : [];
  });
}

export function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Whether a process still runs; a zombie does not. */
export function isAlive(pid: number): boolean {
  const stat = readQuietly(`/proc/${pid}/stat`);
  return stat !== '' && stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
}

/** Clock ticks after boot at which the process started: with its pid, its identity. */
export function startTime(pid: number): string {
  const stat = readQuietly(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** The process that started a process, or has taken it over. */
export function parentOf(pid: number): number {
  const stat = readQuietly(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

/** What the descriptors of a process refer to. */
export function descriptorsOf(pid: number): string[] {
  let names: string[];
  try {
    names = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${name}`)];
    } catch {
      return [];
    }
  });
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
