import { isIP } from 'node:net';
import { invalid, unsupported } from '../errors.js';
import type { HostConfig } from './container.js';
import { containerCapabilities } from './spec/capabilities.js';
import { validateDevices } from './spec/devices.js';
import { defaultMaskedPaths, defaultReadonlyPaths, parseSecurityOptions } from './spec/security.js';

/** What the daemon's configuration says about containers that do not say it themselves. */
export interface HostConfigDefaults {
  runtime: string;
  runtimes: ReadonlySet<string>;
  logDriver: string;
  logOptions: Record<string, string>;
  shmSize: number;
  ipcMode: string;
  cgroupNamespaceMode: string;
  cpus: number;
  noNewPrivileges: boolean;
}

/** Below this the kernel cannot even start a process. */
const minimumMemory = 6 * 1024 * 1024;

/**
 * The HostConfig as it is stored and shown: every field present, defaults filled in.
 * @throws GantryError invalid for a wrong value, unsupported (naming it) for what Gantry does not do
 */
export function completeHostConfig(requested: HostConfig, defaults: HostConfigDefaults): HostConfig {
  refuseUnsupported(requested);
  const hostConfig: HostConfig = {
    ...blankHostConfig(),
    ...withoutNull(requested),
  };
  hostConfig.NetworkMode =
    !requested.NetworkMode || requested.NetworkMode === 'default' ? 'bridge' : requested.NetworkMode;
  hostConfig.IpcMode = requested.IpcMode || defaults.ipcMode;
  hostConfig.CgroupnsMode =
    requested.CgroupnsMode || (requested.Privileged ? 'host' : (defaults.cgroupNamespaceMode as 'host' | 'private'));
  hostConfig.Runtime = requested.Runtime || defaults.runtime;
  if (defaults.noNewPrivileges && !hostConfig.SecurityOpt?.some((option) => option.startsWith('no-new-privileges'))) {
    hostConfig.SecurityOpt = [...(hostConfig.SecurityOpt ?? []), 'no-new-privileges'];
  }
  // Clients say "not set" in these ways; Docker shows null.
  if (requested.MemorySwappiness === -1) hostConfig.MemorySwappiness = null as unknown as number;
  if ((requested.PidsLimit ?? 0) <= 0) hostConfig.PidsLimit = null as unknown as number;
  // Memory without a word about swap means as much swap again.
  if (requested.Memory && requested.Memory > 0 && !requested.MemorySwap) hostConfig.MemorySwap = requested.Memory * 2;
  hostConfig.ShmSize = requested.ShmSize || defaults.shmSize;
  hostConfig.RestartPolicy = restartPolicy(requested);
  hostConfig.LogConfig = logConfig(requested, defaults);
  if (!requested.Privileged) {
    hostConfig.MaskedPaths = requested.MaskedPaths ?? defaultMaskedPaths;
    hostConfig.ReadonlyPaths = requested.ReadonlyPaths ?? defaultReadonlyPaths;
  }
  validate(hostConfig, defaults);
  return hostConfig;
}

function blankHostConfig(): HostConfig {
  return {
    Binds: null, ContainerIDFile: '', PortBindings: null, AutoRemove: false, VolumeDriver: '', VolumesFrom: null,
    ConsoleSize: [0, 0], CapAdd: null, CapDrop: null, Dns: [], DnsOptions: [], DnsSearch: [], ExtraHosts: null,
    GroupAdd: null, Cgroup: '', Links: null, OomScoreAdj: 0, PidMode: '', Privileged: false, PublishAllPorts: false,
    ReadonlyRootfs: false, SecurityOpt: null, UTSMode: '', UsernsMode: '', Isolation: '', CpuShares: 0, Memory: 0,
    NanoCpus: 0, CgroupParent: '', BlkioWeight: 0, BlkioWeightDevice: [], BlkioDeviceReadBps: [],
    BlkioDeviceWriteBps: [], BlkioDeviceReadIOps: [], BlkioDeviceWriteIOps: [], CpuPeriod: 0, CpuQuota: 0,
    CpuRealtimePeriod: 0, CpuRealtimeRuntime: 0, CpusetCpus: '', CpusetMems: '', Devices: [], DeviceCgroupRules: null,
    DeviceRequests: null, MemoryReservation: 0, MemorySwap: 0, MemorySwappiness: null, OomKillDisable: false,
    PidsLimit: null, Ulimits: [], CpuCount: 0, CpuPercent: 0, IOMaximumIOps: 0, IOMaximumBandwidth: 0,
    MaskedPaths: null, ReadonlyPaths: null,
  } as unknown as HostConfig; // the document types null lists as absent; Docker sends null
} // prettier-ignore

function withoutNull(hostConfig: HostConfig): HostConfig {
  return Object.fromEntries(Object.entries(hostConfig).filter(([, value]) => value !== null));
}

function refuseUnsupported(hostConfig: HostConfig): void {
  const refuse = (present: unknown, name: string, reason: string): void => {
    if (present) throw unsupported(`${name} is not supported: ${reason}`);
  };
  const notEmpty = (value: object | null | undefined): boolean => value != null && Object.keys(value).length > 0;
  refuse(notEmpty(hostConfig.StorageOpt), 'HostConfig.StorageOpt', 'the overlayfs of this host has no quota');
  refuse(notEmpty(hostConfig.DeviceRequests), 'HostConfig.DeviceRequests', 'Gantry has no device drivers; use Devices');
  refuse(hostConfig.Cgroup, 'HostConfig.Cgroup', 'use CgroupParent');
  refuse(
    hostConfig.Isolation && hostConfig.Isolation !== 'default',
    `HostConfig.Isolation "${hostConfig.Isolation}"`,
    'Linux has only "default"',
  );
  for (const field of ['CpuCount', 'CpuPercent', 'IOMaximumIOps', 'IOMaximumBandwidth'] as const) {
    refuse(hostConfig[field], `HostConfig.${field}`, 'it exists on Windows only');
  }
  refuse(hostConfig.KernelMemoryTCP, 'HostConfig.KernelMemoryTCP', 'the kernel has deprecated it');
}

function restartPolicy(hostConfig: HostConfig): NonNullable<HostConfig['RestartPolicy']> {
  const { Name, MaximumRetryCount = 0 } = hostConfig.RestartPolicy ?? {};
  const name = Name || 'no';
  if (!['no', 'always', 'on-failure', 'unless-stopped'].includes(name)) {
    throw invalid(
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (MaximumRetryCount < 0) throw invalid('invalid restart policy: maximum retry count cannot be negative');
  if (MaximumRetryCount > 0 && name !== 'on-failure') {
    throw invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (hostConfig.AutoRemove && name !== 'no') {
    throw invalid("can't create 'AutoRemove' container with restart policy");
  }
  return { Name: name, MaximumRetryCount };
}

function logConfig(hostConfig: HostConfig, defaults: HostConfigDefaults): NonNullable<HostConfig['LogConfig']> {
  const { Type, Config } = hostConfig.LogConfig ?? {};
  const type = Type || defaults.logDriver;
  const options = Type && Type !== defaults.logDriver ? { ...Config } : { ...defaults.logOptions, ...Config };
  if (type !== 'json-file' && type !== 'none' && type !== 'local') {
    throw unsupported(`logging driver "${type}" is not supported: use "json-file", "local" or "none"`);
  }
  for (const [name, value] of Object.entries(options)) validateLogOption(type, name, value);
  return { Type: type, Config: options };
}

function validateLogOption(driver: string, name: string, value: string): void {
  switch (name) {
    case 'max-size':
      if (parseSize(value) === undefined) throw invalid(`invalid value '${value}' of log opt 'max-size'`);
      return;
    case 'max-file':
      if (!/^[1-9]\d*$/.test(value)) throw invalid(`max-file cannot be '${value}': use a number of at least 1`);
      return;
    // The supervisor writes to a file and drops nothing, so both modes come to the same.
    case 'mode':
      if (value !== 'blocking' && value !== 'non-blocking')
        throw invalid(`logger: logging mode not supported: ${value}`);
      return;
    case 'max-buffer-size':
      if (parseSize(value) === undefined) throw invalid(`invalid value '${value}' of log opt 'max-buffer-size'`);
      return;
    case 'labels':
    case 'env':
      return;
    case 'labels-regex':
    case 'env-regex':
      compilePattern(name, value);
      return;
    case 'compress':
      if (value === 'false') return;
      throw unsupported("log opt 'compress' is not supported: rotated logs of Gantry are not compressed");
    case 'tag':
      if (!value.includes('{{')) return;
      throw unsupported("a template in log opt 'tag' is not supported: use a plain text");
    default:
      throw invalid(`unknown log opt '${name}' for ${driver} log driver`);
  }
}

function compilePattern(name: string, value: string): void {
  try {
    new RegExp(value);
  } catch (error) {
    throw invalid(`invalid regular expression '${value}' in log opt '${name}'`, error);
  }
}

/** "10m", "1g", "512k", "100": bytes. */
export function parseSize(text: string): number | undefined {
  const match = /^(-?\d+)([kmgt]?)b?$/i.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * 1024 ** ' kmgt'.indexOf((match[2] || ' ').toLowerCase());
}

function validate(hostConfig: HostConfig, defaults: HostConfigDefaults): void {
  validateModes(hostConfig);
  validateLimits(hostConfig, defaults);
  validateDevices(hostConfig);
  containerCapabilities(hostConfig);
  parseSecurityOptions(hostConfig.SecurityOpt);
  for (const limit of hostConfig.Ulimits ?? []) validateUlimit(limit);
  for (const [name] of Object.entries(hostConfig.Sysctls ?? {})) validateSysctl(name, hostConfig);
  for (const server of hostConfig.Dns ?? []) {
    if (isIP(server.replace(/%.*$/, '')) === 0) throw invalid(`bad nameserver address ${server}: unable to parse IP`);
  }
  if (Object.keys(hostConfig.Annotations ?? {}).includes('')) {
    throw invalid('invalid Annotations: the empty string is not permitted as an annotation key');
  }
  for (const host of hostConfig.ExtraHosts ?? []) {
    if (!/^[^:=]+[:=].+$/.test(host)) throw invalid(`bad format for add-host: "${host}"`);
  }
  for (const path of Object.keys(hostConfig.Tmpfs ?? {})) {
    if (!path.startsWith('/')) throw invalid(`invalid mount path: '${path}' mount path must be absolute`);
  }
  if (!defaults.runtimes.has(hostConfig.Runtime ?? '')) {
    throw invalid(`unknown or invalid runtime name: ${hostConfig.Runtime}`);
  }
  if ((hostConfig.ShmSize ?? 0) < 0) throw invalid('SHM size can not be less than 0');
  if (hostConfig.CgroupParent && !/^[A-Za-z0-9_./@:-]+$/.test(hostConfig.CgroupParent)) {
    throw invalid(`invalid cgroup parent: ${hostConfig.CgroupParent}`);
  }
}

function validateModes(hostConfig: HostConfig): void {
  const check = (field: string, value: string | undefined, allowed: readonly string[], joinable: boolean): void => {
    if (!value || allowed.includes(value) || (joinable && /^container:.+$/.test(value))) return;
    throw invalid(`invalid ${field}: ${value}`);
  };
  check('PID mode', hostConfig.PidMode, ['host'], true);
  check('IPC mode', hostConfig.IpcMode, ['none', 'private', 'shareable', 'host'], true);
  check('UTS mode', hostConfig.UTSMode, ['host'], false);
  check('user namespace mode', hostConfig.UsernsMode, ['host'], false);
  check('cgroup namespace mode', hostConfig.CgroupnsMode, ['host', 'private'], false);
}

function validateLimits(hostConfig: HostConfig, defaults: HostConfigDefaults): void {
  const { Memory = 0, MemorySwap = 0, MemoryReservation = 0, MemorySwappiness, NanoCpus = 0 } = hostConfig;
  if (Memory < 0) throw invalid('Invalid value: Memory cannot be negative');
  if (Memory > 0 && Memory < minimumMemory) throw invalid('Minimum memory limit allowed is 6MB');
  if (Memory > 0 && MemorySwap > 0 && MemorySwap < Memory) {
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (Memory === 0 && MemorySwap > 0) {
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (MemorySwappiness != null && (MemorySwappiness < -1 || MemorySwappiness > 100)) {
    throw invalid(`Invalid value: ${MemorySwappiness}, valid memory swappiness range is 0-100`);
  }
  if (MemoryReservation > 0 && MemoryReservation < minimumMemory) {
    throw invalid('Minimum memory reservation allowed is 6MB');
  }
  if (Memory > 0 && MemoryReservation > Memory) {
    throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  if (NanoCpus < 0 || NanoCpus > defaults.cpus * 1e9) {
    throw invalid(
      `range of CPUs is from 0.01 to ${defaults.cpus}.00, as there are only ${defaults.cpus} CPUs available`,
    );
  }
  if (NanoCpus > 0 && hostConfig.CpuPeriod) {
    throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  }
  if (NanoCpus > 0 && hostConfig.CpuQuota) {
    throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  }
  validateCpu(hostConfig, defaults.cpus);
  const weight = hostConfig.BlkioWeight ?? 0;
  if (weight !== 0 && (weight < 10 || weight > 1000)) throw invalid('Range of blkio weight is from 10 to 1000');
  if ((hostConfig.OomScoreAdj ?? 0) < -1000 || (hostConfig.OomScoreAdj ?? 0) > 1000) {
    throw invalid(`Invalid value ${hostConfig.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
}

function validateCpu(hostConfig: HostConfig, cpus: number): void {
  const { CpuShares = 0, CpuPeriod = 0, CpuQuota = 0, CpusetCpus, CpusetMems } = hostConfig;
  if (CpuShares < 0) throw invalid(`invalid CPU shares (${CpuShares}): value must be a positive integer`);
  if (CpuShares === 1) throw invalid('the minimum allowed cpu-shares is 2');
  if (CpuShares > 262_144) throw invalid('the maximum allowed cpu-shares is 262144');
  if (CpuPeriod !== 0 && (CpuPeriod < 1000 || CpuPeriod > 1_000_000)) {
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  if (CpuQuota > 0 && CpuQuota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  const list = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;
  if (CpusetCpus && !list.test(CpusetCpus))
    throw invalid(`Invalid value ${CpusetCpus} for cpuset cpus: use a list such as 0-2,4`);
  if (CpusetCpus?.split(/[,-]/).some((cpu) => Number(cpu) >= cpus)) {
    throw invalid(`Requested CPUs are not available - requested ${CpusetCpus}, available: 0-${cpus - 1}`);
  }
  if (CpusetMems && !list.test(CpusetMems))
    throw invalid(`Invalid value ${CpusetMems} for cpuset mems: use a list such as 0-2,4`);
}

const ulimits = [
  'core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc', 'rss', 'rtprio', 'rttime',
  'sigpending', 'stack', 'as',
]; // prettier-ignore

function validateUlimit({ Name = '', Soft = 0, Hard = 0 }: { Name?: string; Soft?: number; Hard?: number }): void {
  if (!ulimits.includes(Name)) throw invalid(`invalid ulimit type: ${Name}`);
  if (Hard !== -1 && (Soft > Hard || Soft === -1)) {
    throw invalid(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
  }
}

/** Only what belongs to a namespace of the container; anything else would change the host. */
function validateSysctl(name: string, hostConfig: HostConfig): void {
  const network = name.startsWith('net.');
  const ipc =
    /^kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)$/.test(name) ||
    name.startsWith('fs.mqueue.');
  if (network && hostConfig.NetworkMode === 'host') {
    throw invalid(`sysctl '${name}' not allowed in host network namespace`);
  }
  if (ipc && hostConfig.IpcMode === 'host') throw invalid(`sysctl '${name}' not allowed in host ipc namespace`);
  if (!network && !ipc) throw invalid(`sysctl '${name}' is not allowed: it is not namespaced`);
}
