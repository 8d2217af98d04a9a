import { hostname, machine, release } from 'node:os';
import type { Config } from '../config/options.js';
import { BUILT_IN_RUNTIME } from '../config/value-syntax.js';
import { registrySettings } from '../images/registry/settings.js';
import type { Addon } from '../runtime/addon.js';
import { engineVersion } from '../version.js';
import { countOpenFiles, engineId, fileSystemName, forwardsIpv4, readOperatingSystem } from './host.js';

/** What is counted afresh for each GET /info. */
export interface InfoCounts {
  containers: { running: number; paused: number; stopped: number };
  images: number;
  eventListeners: number;
}

/** What differs between versions of the API has a type here. */
export interface EngineInfo extends Record<string, unknown> {
  FirewallBackend: object;
  RegistryConfig: object;
  RuncCommit: object;
  SecurityOptions: string[];
}

type HostInfo = ReturnType<Addon['hostInfo']>;

/** GET /info: facts about the host and the engine. */
export function describeEngine(config: Config, host: HostInfo, counts: InfoCounts): EngineInfo {
  return {
    ID: engineId(config.dataRoot),
    ...countsOf(counts),
    Driver: config.storageDriver,
    DriverStatus: [['Backing Filesystem', fileSystemName(config.dataRoot)]],
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'host', 'ipvlan', 'macvlan', 'null'],
      Authorization: null,
      Log: ['json-file', 'local'],
    },
    ...describeLimits(host),
    IPv4Forwarding: forwardsIpv4(),
    Debug: config.debug,
    NFd: countOpenFiles(),
    NGoroutines: process.getActiveResourcesInfo().length,
    NEventsListener: counts.eventListeners,
    SystemTime: new Date().toISOString(),
    LoggingDriver: config.logDriver,
    ...describeMachine(host),
    ...describeRegistries(config),
    ...describeRuntimes(config),
    DockerRootDir: config.dataRoot,
    Labels: config.labels,
    ExperimentalBuild: false,
    ServerVersion: engineVersion,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: '',
    SecurityOptions: securityOptions(config, host),
    FirewallBackend: { Driver: 'nftables' },
    CDISpecDirs: [],
    Warnings: warnings(host),
  };
}

function countsOf({ containers: { running, paused, stopped }, images }: InfoCounts): Record<string, number> {
  return {
    Containers: running + paused + stopped,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: stopped,
    Images: images,
  };
}

function describeLimits({ controllers, cgroupVersion, swapAccounting }: HostInfo): Record<string, unknown> {
  const has = (controller: string): boolean => controllers.includes(controller);
  return {
    MemoryLimit: has('memory'),
    SwapLimit: has('memory') && swapAccounting,
    CpuCfsPeriod: has('cpu'),
    CpuCfsQuota: has('cpu'),
    CPUShares: has('cpu'),
    CPUSet: has('cpuset'),
    PidsLimit: has('pids'),
    // Only cgroup v1 can keep the kernel from killing.
    OomKillDisable: has('memory') && cgroupVersion === 1,
    CgroupDriver: 'cgroupfs',
    CgroupVersion: String(cgroupVersion),
  };
}

function describeMachine(host: HostInfo): Record<string, unknown> {
  const system = readOperatingSystem();
  return {
    KernelVersion: release(),
    OperatingSystem: system.name,
    OSVersion: system.version,
    OSType: 'linux',
    Architecture: machine(),
    NCPU: host.cpus,
    MemTotal: host.memoryBytes,
    GenericResources: null,
    Name: hostname(),
  };
}

function describeRegistries(config: Config): Record<string, unknown> & Pick<EngineInfo, 'RegistryConfig'> {
  const { httpProxy, httpsProxy, noProxy, mirrors, insecure } = registrySettings(config, []);
  const isNetwork = (entry: string): boolean => entry.includes('/');
  const hub = { Name: 'docker.io', Mirrors: mirrors, Official: true, Secure: true };
  const others = insecure
    .filter((entry) => !isNetwork(entry))
    .map((name): [string, object] => [name, { Name: name, Mirrors: [], Official: false, Secure: false }]);
  return {
    HttpProxy: withoutPassword(httpProxy),
    HttpsProxy: withoutPassword(httpsProxy),
    NoProxy: noProxy,
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: {
      IndexConfigs: { ...Object.fromEntries(others), 'docker.io': hub },
      InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', ...insecure.filter(isNetwork)],
      Mirrors: mirrors.length > 0 ? mirrors : null,
    },
  };
}

/** Proxies are shown to whoever may ask, their passwords are not. */
function withoutPassword(proxy: string): string {
  if (!URL.canParse(proxy)) return proxy;
  const url = new URL(proxy);
  if (!url.username && !url.password) return proxy;
  url.username = 'xxxxx';
  url.password = 'xxxxx';
  return url.href;
}

function describeRuntimes(config: Config): Record<string, unknown> & Pick<EngineInfo, 'RuncCommit'> {
  const others = Object.entries(config.runtimes).map(([name, { path, runtimeArgs }]) => [name, { path, runtimeArgs }]);
  return {
    Runtimes: { [BUILT_IN_RUNTIME]: { path: 'gantry-shim' }, ...Object.fromEntries(others) },
    DefaultRuntime: config.defaultRuntime,
    InitBinary: config.initPath,
    // Clients read the ids of what other engines are made of; there is nothing of the kind here.
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
  };
}

function securityOptions(config: Config, host: HostInfo): string[] {
  return [
    ...(host.seccomp ? [`name=seccomp,profile=${config.seccompProfile}`] : []),
    ...(config.usernsRemap ? ['name=userns'] : []),
    ...(config.noNewPrivileges ? ['name=no-new-privileges'] : []),
    ...(host.cgroupVersion === 2 ? ['name=cgroupns'] : []),
  ];
}

function warnings({ controllers, swapAccounting }: HostInfo): string[] | null {
  const missing = ['memory', 'cpu', 'cpuset', 'pids'].filter((controller) => !controllers.includes(controller));
  const found = missing.map((controller) => `WARNING: No ${controller} limit support`);
  if (!swapAccounting && controllers.includes('memory')) found.push('WARNING: No swap limit support');
  return found.length > 0 ? found : null;
}
