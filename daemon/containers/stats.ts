import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Addon, CgroupStats, InterfaceStats } from '../runtime/addon.js';
import type { Container } from './container.js';
import { hasJustEnded } from './just-ended.js';
import type { Launcher } from './launch.js';
import { timestamp } from './timestamp.js';

const clockTicksPerSecond = 100; // USER_HZ, the same on every Linux

/** One sample as GET /containers/{id}/stats sends it; named as Docker's API names it. */
export type StatsSample = Record<string, unknown> & { read: string; cpu_stats: object };

/** Measures running containers. */
export class Statistics {
  constructor(
    readonly addon: Addon,
    readonly launcher: Launcher,
  ) {}

  /** One sample, with nothing to compare it to. */
  async sample(container: Container, previous?: StatsSample): Promise<StatsSample> {
    if (!container.running) return emptySample(container);
    try {
      return await this.#measure(container, previous);
    } catch (error) {
      if (hasJustEnded(error)) return emptySample(container);
      throw error;
    }
  }

  async #measure(container: Container, previous: StatsSample | undefined): Promise<StatsSample> {
    const systemUsage = systemCpuNanoseconds();
    const [stats, interfaces] = await Promise.all([
      this.addon.cgroupStats(this.launcher.cgroupPath(container)),
      this.#interfaces(container),
    ]);
    return {
      ...emptySample(container),
      read: timestamp(),
      preread: previous?.read ?? '0001-01-01T00:00:00Z',
      pids_stats: { current: stats.pids.current, ...(stats.pids.limit > 0 && { limit: stats.pids.limit }) },
      blkio_stats: blkioStats(stats),
      cpu_stats: cpuStats(stats, systemUsage),
      precpu_stats: previous?.cpu_stats ?? emptyCpuStats,
      memory_stats: memoryStats(stats),
      ...(interfaces.length > 0 && { networks: networkStats(interfaces) }),
    };
  }

  /** Two samples a second apart, so that the client can compute a load. */
  async compared(container: Container): Promise<StatsSample> {
    const first = await this.sample(container);
    if (!container.running) return first;
    await delay(1000);
    return this.sample(container, first);
  }

  /** A sample every second until the signal aborts or the container is gone. */
  async *stream(container: Container, signal: AbortSignal): AsyncGenerator<StatsSample> {
    let previous: StatsSample | undefined;
    while (!signal.aborted && container.state.status !== 'removing') {
      previous = await this.sample(container, previous);
      yield previous;
      await delay(1000, undefined, { signal }).catch(() => undefined);
    }
  }

  async #interfaces(container: Container): Promise<InterfaceStats[]> {
    if (container.hostConfig.NetworkMode !== 'bridge') return [];
    const interfaces = await this.addon.interfaceStats(container.state.pid);
    return interfaces.filter(({ name }) => name !== 'lo');
  }
}

/** The fields as cgroup v1 names them; nothing fills most of them any more. */
const noBlockStatistics = {
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
};

const emptyCpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

function emptySample(container: Container): StatsSample {
  return {
    read: '0001-01-01T00:00:00Z',
    preread: '0001-01-01T00:00:00Z',
    pids_stats: {},
    blkio_stats: noBlockStatistics,
    num_procs: 0,
    storage_stats: {},
    cpu_stats: emptyCpuStats,
    precpu_stats: emptyCpuStats,
    memory_stats: {},
    name: `/${container.name}`,
    id: container.id,
  };
}

function cpuStats({ cpu }: CgroupStats, systemUsage: number): object {
  return {
    cpu_usage: {
      total_usage: cpu.usageNanoseconds,
      ...(cpu.perCpuNanoseconds.length > 0 && { percpu_usage: cpu.perCpuNanoseconds }),
      usage_in_kernelmode: cpu.systemNanoseconds,
      usage_in_usermode: cpu.userNanoseconds,
    },
    system_cpu_usage: systemUsage,
    online_cpus: cpus().length,
    throttling_data: {
      periods: cpu.periods,
      throttled_periods: cpu.throttledPeriods,
      throttled_time: cpu.throttledNanoseconds,
    },
  };
}

function memoryStats({ memory }: CgroupStats): object {
  return {
    usage: memory.usage,
    ...(memory.maxUsage > 0 && { max_usage: memory.maxUsage }),
    stats: memory.stats,
    ...(memory.failcnt > 0 && { failcnt: memory.failcnt }),
    limit: memory.limit,
  };
}

function blkioStats({ blkio }: CgroupStats): object {
  const entries = (value: 'bytes' | 'operations'): object[] =>
    blkio.map(({ major, minor, op, ...counts }) => ({ major, minor, op, value: counts[value] }));
  return {
    ...noBlockStatistics,
    io_service_bytes_recursive: entries('bytes'),
    io_serviced_recursive: entries('operations'),
  };
}

function networkStats(interfaces: InterfaceStats[]): object {
  return Object.fromEntries(
    interfaces.map((stats) => [
      stats.name,
      {
        rx_bytes: stats.rxBytes,
        rx_packets: stats.rxPackets,
        rx_errors: stats.rxErrors,
        rx_dropped: stats.rxDropped,
        tx_bytes: stats.txBytes,
        tx_packets: stats.txPackets,
        tx_errors: stats.txErrors,
        tx_dropped: stats.txDropped,
      },
    ]),
  );
}

/** All CPU time of the host, from the first line of /proc/stat; guest time is part of user time already. */
function systemCpuNanoseconds(): number {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!;
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return (ticks.reduce((sum, value) => sum + value, 0) * 1e9) / clockTicksPerSecond;
}
