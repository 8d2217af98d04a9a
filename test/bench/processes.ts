import { readFileSync, readdirSync } from 'node:fs';

/** The parent of a process, or 0 when it has ended. Field 4 of /proc/<pid>/stat, after the parenthesized name. */
function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0;
  }
}

/** A process and everything below it. */
export function descendants(root: number): Set<number> {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name)) parents.set(Number(name), parentOf(Number(name)));
  }
  const found = new Set([root]);
  for (let grown = true; grown;) {
    grown = false;
    for (const [pid, parent] of parents) {
      if (found.has(parent) && !found.has(pid)) grown = Boolean(found.add(pid));
    }
  }
  return found;
}

/** The engine, the containers, and whatever stands between a container and the engine (or init): its supervisors. */
export function engineAndSupervisors(daemon: number, inits: readonly number[]): Set<number> {
  const found = descendants(daemon);
  for (const init of inits) {
    for (let pid = init; pid > 1 && !found.has(pid); pid = parentOf(pid)) found.add(pid);
  }
  return found;
}

/** Bytes of memory, shared pages divided by the number of processes that share them. */
export function proportionalSetSize(pids: Iterable<number>): number {
  let kibibytes = 0;
  for (const pid of pids) kibibytes += pssOf(pid);
  return kibibytes * 1024;
}

function pssOf(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Processor time that these processes have used so far, in clock ticks. */
export function cpuTicks(pids: Iterable<number>): number {
  let ticks = 0;
  for (const pid of pids) ticks += ticksOf(pid);
  return ticks;
}

function ticksOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}
