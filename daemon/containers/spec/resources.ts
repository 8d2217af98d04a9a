import type { HostConfig } from '../container.js';
import { blockDeviceNumber } from './devices.js';
import type { OciDeviceRule, OciResources, OciThrottle } from './oci.js';

/** The period against which NanoCpus is counted, in microseconds. */
const defaultPeriod = 100_000;

/** `linux.resources` for the limits of a HostConfig; zero and absent mean "not limited", as everywhere in Docker's API. */
export function containerResources(hostConfig: HostConfig, devices: OciDeviceRule[]): OciResources {
  return {
    devices,
    ...compact({
      memory: compact(memory(hostConfig)),
      cpu: compact(cpu(hostConfig)),
      // Zero comes of an update that lifts the limit.
      pids: hostConfig.PidsLimit == null ? undefined : { limit: hostConfig.PidsLimit || -1 },
      blockIO: compact(blockIo(hostConfig)),
    }),
  };
}

function memory(hostConfig: HostConfig): NonNullable<OciResources['memory']> {
  const { Memory, MemoryReservation, MemorySwap, MemorySwappiness, OomKillDisable } = hostConfig;
  return compact({
    limit: Memory || undefined,
    reservation: MemoryReservation || undefined,
    swap: MemorySwap || undefined,
    swappiness: MemorySwappiness != null && MemorySwappiness >= 0 ? MemorySwappiness : undefined,
    disableOOMKiller: OomKillDisable || undefined,
  });
}

function cpu(hostConfig: HostConfig): NonNullable<OciResources['cpu']> {
  const { NanoCpus } = hostConfig;
  return compact({
    shares: hostConfig.CpuShares || undefined,
    quota: NanoCpus ? Math.round((NanoCpus * defaultPeriod) / 1e9) : hostConfig.CpuQuota || undefined,
    period: NanoCpus ? defaultPeriod : hostConfig.CpuPeriod || undefined,
    realtimePeriod: hostConfig.CpuRealtimePeriod || undefined,
    realtimeRuntime: hostConfig.CpuRealtimeRuntime || undefined,
    cpus: hostConfig.CpusetCpus || undefined,
    mems: hostConfig.CpusetMems || undefined,
  });
}

function blockIo(hostConfig: HostConfig): NonNullable<OciResources['blockIO']> {
  const throttles = (list: HostConfig['BlkioDeviceReadBps'] | null): OciThrottle[] | undefined =>
    list?.length ? list.map((entry) => ({ ...blockDeviceNumber(entry.Path ?? ''), rate: entry.Rate ?? 0 })) : undefined;
  return compact({
    weight: hostConfig.BlkioWeight || undefined,
    weightDevice: hostConfig.BlkioWeightDevice?.length
      ? hostConfig.BlkioWeightDevice.map((entry) => ({
          ...blockDeviceNumber(entry.Path ?? ''),
          weight: entry.Weight ?? 0,
        }))
      : undefined,
    throttleReadBpsDevice: throttles(hostConfig.BlkioDeviceReadBps),
    throttleWriteBpsDevice: throttles(hostConfig.BlkioDeviceWriteBps),
    throttleReadIOPSDevice: throttles(hostConfig.BlkioDeviceReadIOps),
    throttleWriteIOPSDevice: throttles(hostConfig.BlkioDeviceWriteIOps),
  });
}

type Defined<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

/** Without the keys whose value is undefined or an empty object. */
function compact<T extends object>(object: T): Partial<Defined<T>> {
  return Object.fromEntries(
    Object.entries(object as Record<string, unknown>).filter(
      ([, value]) =>
        value !== undefined && !(typeof value === 'object' && value !== null && Object.keys(value).length === 0),
    ),
  ) as Partial<Defined<T>>;
}
