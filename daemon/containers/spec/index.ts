import type { Container } from '../container.js';
import { allCapabilities, containerCapabilities } from './capabilities.js';
import { containerDevices } from './devices.js';
import { containerMounts, rootPropagation, type EtcFiles } from './mounts.js';
import { containerNamespaces, type JoinedNamespaces } from './namespaces.js';
import type { OciIdMappings } from '../../userns/id-mapping.js';
import type { OciLinux, OciProcess, OciSpec } from './oci.js';
import { containerResources } from './resources.js';
import { parseSecurityOptions, protectedPaths } from './security.js';

/** What a specification needs beyond the container itself. */
export interface SpecContext {
  rootPath: string;
  cgroupPath: string;
  namespaces: JoinedNamespaces;
  etc: EtcFiles;
  /** Path of the init program when `--init` is in force. */
  initPath?: string;
  /** Directory or mount to bind on /dev/shm instead of a fresh one (ipc host and container modes). */
  shmSource?: string;
  idMappings?: OciIdMappings;
  /** How volumes and images show the ids of their files, where those are not as the container has them. */
  shownVolumes?: OciIdMappings;
  /** The directories of an image, topmost first. */
  imageLayers: (imageId: string) => string[];
  defaultUlimits: { Name: string; Hard: number; Soft: number }[];
  /** Variables that tell of linked containers. */
  linkEnvironment: readonly string[];
}

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The OCI config.json of a container. */
export function containerSpec(container: Container, context: SpecContext): OciSpec {
  const { config, hostConfig } = container;
  const privateUts = context.namespaces.uts !== 'host';
  return {
    ociVersion: '1.2.0',
    ...(privateUts && { hostname: config.Hostname ?? '' }),
    ...(privateUts && config.Domainname && { domainname: config.Domainname }),
    root: { path: context.rootPath, readonly: hostConfig.ReadonlyRootfs ?? false },
    process: containerProcess(container, context),
    mounts: containerMounts(hostConfig, container.mounts, context.etc, {
      imageLayers: context.imageLayers,
      ...(context.initPath && { initPath: context.initPath }),
      ...(context.shmSource && { shmSource: context.shmSource }),
      cgroupNamespace: context.namespaces.cgroup !== 'host',
      ...(context.shownVolumes && { shownVolumes: context.shownVolumes }),
      hostNetworkWithUserNamespace: context.namespaces.user !== undefined && context.namespaces.network === 'host',
    }),
    ...(hostConfig.Annotations && { annotations: hostConfig.Annotations }),
    linux: linuxSection(container, context),
  };
}

function linuxSection(container: Container, context: SpecContext): OciLinux {
  const { hostConfig } = container;
  const { devices, rules } = containerDevices(hostConfig);
  const paths = protectedPaths(hostConfig);
  return {
    namespaces: containerNamespaces(context.namespaces),
    ...context.idMappings,
    devices,
    cgroupsPath: context.cgroupPath,
    resources: containerResources(hostConfig, rules),
    rootfsPropagation: rootPropagation(container.mounts),
    maskedPaths: paths.masked,
    readonlyPaths: paths.readonly,
    sysctl: { ...defaultSysctls(context.namespaces), ...hostConfig.Sysctls },
  };
}

/** Docker lets every user of a private network ping and bind low ports. */
function defaultSysctls(namespaces: JoinedNamespaces): Record<string, string> {
  if (namespaces.network === 'host' || typeof namespaces.network === 'number') return {};
  const sysctls: Record<string, string> = { 'net.ipv4.ip_unprivileged_port_start': '0' };
  // The ids of a ping group must be mapped in the owning user namespace.
  if (namespaces.user === undefined) sysctls['net.ipv4.ping_group_range'] = '0 2147483647';
  return sysctls;
}

function containerProcess(container: Container, context: SpecContext): OciProcess {
  const { config, hostConfig } = container;
  const command = [container.path, ...container.args];
  const [height, width] = hostConfig.ConsoleSize ?? [0, 0];
  return {
    ...processDefaults(container, config.User ?? '', config.Tty ?? false, hostConfig.Privileged ?? false),
    ...(config.Tty && height && width && { consoleSize: { height, width } }),
    args: context.initPath ? ['/sbin/docker-init', '--', ...command] : command,
    env: environment(container, config.Tty ?? false, context.linkEnvironment),
    cwd: config.WorkingDir || '/',
    rlimits: resourceLimits(hostConfig.Ulimits, context.defaultUlimits),
    oomScoreAdj: hostConfig.OomScoreAdj ?? 0,
  };
}

/** What the first process and an exec of a container have in common. */
export function processDefaults(
  container: Container,
  user: string,
  terminal: boolean,
  privileged: boolean,
): Pick<OciProcess, 'terminal' | 'user' | 'capabilities' | 'noNewPrivileges'> {
  const { hostConfig } = container;
  const granted = privileged ? [...allCapabilities] : containerCapabilities(hostConfig);
  return {
    terminal,
    user: { uid: 0, gid: 0, username: user, additionalGroups: hostConfig.GroupAdd ?? [] },
    // The kernel clears what a user other than root may not keep; see capabilities(7), "Effect of user ID changes".
    capabilities: { bounding: granted, permitted: granted, effective: granted },
    noNewPrivileges: parseSecurityOptions(hostConfig.SecurityOpt).noNewPrivileges,
  };
}

/** The environment: Docker's own variables first, each overridden by one of the same name. */
export function environment(
  container: Container,
  terminal: boolean,
  linked: readonly string[],
  additional: readonly string[] = [],
): string[] {
  const variables = new Map<string, string>();
  const set = (entry: string): void => {
    const equals = entry.indexOf('=');
    // A name without "=" removes the variable, as `docker run -e NAME` with NAME unset does.
    if (equals < 0) variables.delete(entry);
    else variables.set(entry.slice(0, equals), entry);
  };
  set(defaultPath);
  set(`HOSTNAME=${container.config.Hostname ?? ''}`);
  if (terminal) set('TERM=xterm');
  for (const entry of linked) set(entry);
  for (const entry of container.config.Env ?? []) set(entry);
  for (const entry of additional) set(entry);
  return [...variables.values()];
}

function resourceLimits(
  own: readonly { Name?: string; Hard?: number; Soft?: number }[] | null | undefined,
  defaults: readonly { Name: string; Hard: number; Soft: number }[],
): OciProcess['rlimits'] {
  const limits = new Map<string, { type: string; hard: number; soft: number }>();
  for (const { Name = '', Hard = 0, Soft = 0 } of [...defaults, ...(own ?? [])]) {
    limits.set(Name, { type: `RLIMIT_${Name.toUpperCase()}`, hard: Hard, soft: Soft });
  }
  return [...limits.values()];
}
