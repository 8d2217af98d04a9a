import { exposedPorts as exposedByConfig, parseContainerPort } from '../networks/port-requests.js';
import { portKey, type PublishedPort } from '../networks/published-port.js';
import type { ApiVersion } from '../http/version.js';
import type { Container, ContainerMount, EndpointSettings } from './container.js';
import type { ContainerDirectories } from './directories.js';
import type { Links } from './links.js';

export interface InspectContext {
  directories: ContainerDirectories;
  layerDirectories: (imageId: string) => string[];
  links: Links;
}

/** GET /containers/{id}/json. Sizes are added by the caller who asked for them. */
export function inspectContainer(
  container: Container,
  context: InspectContext,
  version: ApiVersion,
): Record<string, unknown> {
  const { directories } = context;
  const { id } = container;
  return {
    Id: id,
    Created: container.created,
    Path: container.path,
    Args: container.args,
    State: inspectState(container),
    Image: container.imageId,
    ResolvConfPath: directories.data(id, 'resolv.conf'),
    HostnamePath: directories.data(id, 'hostname'),
    HostsPath: directories.data(id, 'hosts'),
    LogPath: container.hostConfig.LogConfig?.Type === 'none' ? '' : directories.log(id),
    Name: `/${container.name}`,
    RestartCount: container.state.restartCount,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: container.execIds.size > 0 ? [...container.execIds] : null,
    HostConfig: { ...container.hostConfig, Links: context.links.shown(container) },
    GraphDriver: {
      Name: 'overlay2',
      Data: {
        ID: id,
        LowerDir: context.layerDirectories(container.imageId).join(':'),
        MergedDir: container.running ? `/proc/${container.state.pid}/root` : '',
        UpperDir: directories.data(id, 'upper'),
        WorkDir: directories.data(id, 'work'),
      },
    },
    Mounts: container.mounts.map(inspectMount),
    Config: inspectConfig(container, version),
    NetworkSettings: inspectNetworks(container, version),
  };
}

/** Until 1.52 with the MAC address that was asked for in the main network, wherever the request had it. */
function inspectConfig({ config, hostConfig, networks }: Container, version: ApiVersion): Record<string, unknown> {
  const MacAddress = networks[hostConfig.NetworkMode ?? '']?.DesiredMacAddress;
  return MacAddress && !version.atLeast('1.52') ? { ...config, MacAddress } : config;
}

function inspectState({ state, health }: Container): Record<string, unknown> {
  return {
    Status: state.status,
    Running: ['running', 'paused', 'restarting'].includes(state.status),
    Paused: state.status === 'paused',
    Restarting: state.status === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: state.status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: state.startedAt,
    FinishedAt: state.finishedAt,
    ...(health && { Health: { Status: health.status, FailingStreak: health.failingStreak, Log: health.log } }),
  };
}

/** One entry of `Mounts`, in an inspect and in a list. */
export function inspectMount(mount: ContainerMount): Record<string, unknown> {
  return {
    Type: mount.type,
    ...((mount.type === 'volume' || mount.type === 'image') && { Name: mount.name }),
    Source: mount.source,
    Destination: mount.destination,
    ...(mount.type === 'volume' && { Driver: 'local' }),
    Mode: mount.mode,
    RW: mount.readWrite,
    Propagation: mount.propagation,
  };
}

/** EndpointSettings with every field present, as Docker sends them. */
export function completeEndpoint(endpoint: EndpointSettings): Record<string, unknown> {
  const { DesiredMacAddress: _, ...shown } = endpoint;
  return {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    MacAddress: '',
    DriverOpts: null,
    GwPriority: 0,
    NetworkID: '',
    EndpointID: '',
    Gateway: '',
    IPAddress: '',
    IPPrefixLen: 0,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
    ...shown,
  };
}

/** Before there was DNSNames, the short id was one of the aliases; docker-compose 1 looks for it. */
function withShortId({ id }: Container, endpoint: EndpointSettings): EndpointSettings {
  const shortId = id.slice(0, 12);
  if (!endpoint.DNSNames?.includes(shortId)) return endpoint;
  return { ...endpoint, Aliases: [...(endpoint.Aliases ?? []), shortId] };
}

/** The published ports, and those that are only exposed with null; nothing for one that does not run. */
function inspectPorts(container: Container): Record<string, { HostIp: string; HostPort: string }[] | null> {
  if (!container.running) return {};
  const ports: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const key of exposedPorts(container)) ports[key] = null;
  for (const port of container.state.ports ?? []) {
    const binding = { HostIp: port.hostAddress, HostPort: String(port.hostPort) };
    ports[portKey(port)] = [...(ports[portKey(port)] ?? []), binding];
  }
  return ports;
}

/** Every port that the container exposes or asks to have published, "80/tcp", in order. */
export function exposedPorts({ config, hostConfig }: Container): string[] {
  if (['host', 'none'].includes(hostConfig.NetworkMode ?? '')) return [];
  const bound = Object.keys(hostConfig.PortBindings ?? {}).map(parseContainerPort);
  const ports = [...exposedByConfig(config), ...bound].sort((a, b) => a.containerPort - b.containerPort);
  return [...new Set(ports.map(portKey))];
}

/** Ports as GET /containers/json has them. */
export function summarizePorts(container: Container): object[] {
  if (!container.running) return [];
  const published = container.state.ports ?? [];
  const all = exposedPorts(container).map((key) => ({ key, ...parseContainerPort(key) }));
  return all.flatMap(({ key, containerPort, protocol }) => {
    const bindings: PublishedPort[] = published.filter((port) => portKey(port) === key);
    if (bindings.length === 0) return [{ PrivatePort: containerPort, Type: protocol }];
    return bindings.map(({ hostAddress, hostPort }) => ({
      IP: hostAddress,
      PrivatePort: containerPort,
      PublicPort: hostPort,
      Type: protocol,
    }));
  });
}

function inspectNetworks(container: Container, version: ApiVersion): Record<string, unknown> {
  const bridge = completeEndpoint(container.networks['bridge'] ?? {});
  const pick = (field: string): unknown => bridge[field];
  return {
    Bridge: '',
    SandboxID: container.running ? container.id : '',
    SandboxKey: container.running && container.state.pid > 0 ? `/proc/${container.state.pid}/ns/net` : '',
    Ports: inspectPorts(container),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: pick('EndpointID'),
    Gateway: pick('Gateway'),
    GlobalIPv6Address: pick('GlobalIPv6Address'),
    GlobalIPv6PrefixLen: pick('GlobalIPv6PrefixLen'),
    IPAddress: pick('IPAddress'),
    IPPrefixLen: pick('IPPrefixLen'),
    IPv6Gateway: pick('IPv6Gateway'),
    MacAddress: pick('MacAddress'),
    Networks: Object.fromEntries(
      Object.entries(container.networks).map(([name, endpoint]) => [
        name,
        completeEndpoint(version.atLeast('1.45') ? endpoint : withShortId(container, endpoint)),
      ]),
    ),
  };
}
