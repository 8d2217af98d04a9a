import { type HostConfig, type ContainerMount, isBelowDataRoot } from '../container.js';
import type { OciIdMappings } from '../../userns/id-mapping.js';
import { cleanPath } from '../mount-path.js';
import type { OciMount } from './oci.js';

/** Files of the container's directory that appear in /etc. */
export interface EtcFiles {
  hostname: string;
  hosts: string;
  resolvConf: string;
}

/**
 * `mounts` in the order in which they are made: the kernel's file systems, then the rest, parents first.
 * A user's mount replaces a default one at the same destination.
 */
export function containerMounts(
  hostConfig: HostConfig,
  mounts: readonly ContainerMount[],
  etc: EtcFiles,
  options: {
    initPath?: string;
    shmSource?: string;
    shownVolumes?: OciIdMappings;
    imageLayers: (imageId: string) => string[];
    cgroupNamespace: boolean;
    hostNetworkWithUserNamespace: boolean;
  },
): OciMount[] {
  const own = [...mounts.map((mount) => toOci(mount, options)), ...tmpfsMounts(hostConfig)];
  if (options.initPath) own.push(bind(options.initPath, '/sbin/docker-init', ['ro']));
  const taken = new Set(own.map((mount) => mount.destination));
  // A root that cannot be written to includes what every container finds in it.
  const access = hostConfig.ReadonlyRootfs ? ['ro'] : [];
  const files = [
    bind(etc.resolvConf, '/etc/resolv.conf', access),
    bind(etc.hostname, '/etc/hostname', access),
    bind(etc.hosts, '/etc/hosts', access),
  ];
  const untaken = (mount: OciMount): boolean => !taken.has(mount.destination);
  // The files of /etc are also there when the user mounts something on /etc.
  const others = [...own, ...files.filter(untaken)].sort((a, b) => byDepth(a.destination, b.destination));
  return [...kernelMounts(hostConfig, options).filter(untaken), ...others];
}

function kernelMounts(
  hostConfig: HostConfig,
  options: { shmSource?: string; hostNetworkWithUserNamespace: boolean },
): OciMount[] {
  const access = hostConfig.Privileged ? 'rw' : 'ro';
  const mounts: OciMount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    // sysfs can only be mounted by the owner of the network namespace.
    options.hostNetworkWithUserNamespace
      ? bind('/sys', '/sys', ['ro', 'rbind', 'nosuid', 'noexec', 'nodev'])
      : { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', access] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: [access, 'nosuid', 'noexec', 'nodev'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  ];
  if (hostConfig.IpcMode !== 'none') mounts.push(sharedMemory(hostConfig, options.shmSource));
  return mounts;
}

function sharedMemory(hostConfig: HostConfig, source: string | undefined): OciMount {
  if (source) return bind(source, '/dev/shm', ['nosuid', 'noexec', 'nodev']);
  const size = hostConfig.ShmSize || 64 * 1024 * 1024;
  return {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${size}`],
  };
}

function tmpfsMounts(hostConfig: HostConfig): OciMount[] {
  return Object.entries(hostConfig.Tmpfs ?? {}).map(([destination, options]) => ({
    destination: cleanPath(destination),
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['noexec', 'nosuid', 'nodev', 'rprivate', ...options.split(',').filter(Boolean)],
  }));
}

function toOci(
  mount: ContainerMount,
  { shownVolumes, imageLayers }: { shownVolumes?: OciIdMappings; imageLayers: (imageId: string) => string[] },
): OciMount {
  const { destination, source, subpath } = mount;
  if (mount.type === 'tmpfs') {
    const data = mount.data ? mount.data.split(',') : [];
    const options = ['noexec', 'nosuid', 'nodev', 'rprivate', ...data];
    if (!mount.readWrite) options.push('ro');
    return { destination, type: 'tmpfs', source: 'tmpfs', options };
  }
  const options = mount.readWrite ? [] : [mount.recursiveReadOnly ? 'rro' : 'ro'];
  options.push(mount.propagation || 'rprivate');
  const part = { ...(subpath !== undefined && { subpath }), ...(isBelowDataRoot(mount) && shownVolumes) };
  if (mount.type === 'image') {
    const layers = imageLayers(source);
    // Overlayfs wants two layers at least.
    if (layers.length > 1 || mount.upper) {
      options.push(`lowerdir=${layers.join(':')}`);
      if (mount.upper) options.push(`upperdir=${mount.upper.directory}`, `workdir=${mount.upper.work}`);
      return { destination, type: 'overlay', source: mount.name, options, ...part };
    }
    return { destination, type: 'bind', source: layers[0] ?? '', options: ['bind', ...options], ...part };
  }
  return { destination, type: 'bind', source, options: [mount.nonRecursive ? 'bind' : 'rbind', ...options], ...part };
}

function bind(source: string, destination: string, options: string[] = []): OciMount {
  const recursive = options.includes('rbind') ? [] : ['rbind'];
  return { destination, type: 'bind', source, options: [...recursive, 'rprivate', ...options] };
}

const depth = (path: string): number => path.split('/').filter(Boolean).length;

/** Sorts mount points so that none covers one that was there before. */
export const byDepth = (one: string, other: string): number => depth(one) - depth(other);

/** The propagation of the root that mounts with `shared` or `slave` propagation need. */
export function rootPropagation(mounts: readonly ContainerMount[]): string {
  const wanted = mounts.map((mount) => mount.propagation);
  if (wanted.some((propagation) => propagation.endsWith('shared'))) return 'shared';
  if (wanted.some((propagation) => propagation.endsWith('slave'))) return 'slave';
  return 'rprivate';
}
