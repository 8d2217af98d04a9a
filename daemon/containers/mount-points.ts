import { posix } from 'node:path';
import { invalid, unsupported } from '../errors.js';
import type { ContainerConfig, ContainerMount, HostConfig } from './container.js';

const propagations = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];

/** Options of which one excludes the others. */
const modeKinds = [['ro', 'rw'], ['z', 'Z'], ['delegated', 'cached', 'consistent'], propagations];

type Mount = NonNullable<HostConfig['Mounts']>[number];

/** A mount as asked for; volumes are not yet created, an anonymous one has an empty name. */
export function requestedMounts(config: ContainerConfig, hostConfig: HostConfig): ContainerMount[] {
  const byDestination = new Map<string, ContainerMount>();
  const add = (mount: ContainerMount): void => {
    if (byDestination.has(mount.destination) || hostConfig.Tmpfs?.[mount.destination] !== undefined) {
      throw invalid(`Duplicate mount point: ${mount.destination}`);
    }
    byDestination.set(mount.destination, mount);
  };
  for (const bind of hostConfig.Binds ?? []) add(parseBind(bind));
  for (const mount of hostConfig.Mounts ?? []) add(fromMountsApi(mount));
  // What the image or -v declares as a volume, unless something is mounted there anyway.
  for (const destination of Object.keys(config.Volumes ?? {})) {
    const path = destinationPath(destination, destination);
    if (!byDestination.has(path) && hostConfig.Tmpfs?.[path] === undefined) add(volume('', path));
  }
  return [...byDestination.values()];
}

const blank = {
  name: '',
  source: '',
  mode: '',
  readWrite: true,
  propagation: '',
  nonRecursive: false,
  recursiveReadOnly: false,
  createSource: false,
  copyUp: false,
  data: '',
} as const;

function volume(name: string, destination: string): ContainerMount {
  return { ...blank, type: 'volume', name, destination, copyUp: true };
}

/** "source:destination[:options]" with an absolute path or a volume's name as the source. */
function parseBind(specification: string): ContainerMount {
  const parts = specification.split(':');
  const [source = '', destination = '', mode = ''] = parts;
  if (parts.length < 2 || parts.length > 3 || !source || !destination) {
    throw invalid(`invalid volume specification: '${specification}'`);
  }
  const target = destinationPath(destination, specification);
  const options = parseMode(mode, specification);
  if (source.startsWith('/')) {
    if (mode.split(',').includes('nocopy')) {
      throw invalid(
        `invalid volume specification: '${specification}': invalid mount config for type "bind": field VolumeOptions must not be specified`,
      );
    }
    return {
      ...blank,
      ...options,
      type: 'bind',
      source: posix.normalize(source),
      destination: target,
      mode,
      propagation: options.propagation || 'rprivate',
      createSource: true,
    };
  }
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(source)) {
    throw invalid(
      `create ${source}: "${source}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. ` +
        'If you intended to pass a host directory, use absolute path',
    );
  }
  if (options.propagation)
    throw invalid(`invalid volume specification: '${specification}': a volume has no propagation`);
  return {
    ...volume(source, target),
    readWrite: options.readWrite,
    mode: mode || 'z',
    copyUp: !mode.split(',').includes('nocopy'),
  };
}

function parseMode(
  mode: string,
  specification: string,
): Pick<ContainerMount, 'readWrite' | 'propagation' | 'nonRecursive' | 'recursiveReadOnly'> {
  const result = { readWrite: true, propagation: '', nonRecursive: false, recursiveReadOnly: true };
  const seen = new Set<string>();
  for (const option of mode.split(',').filter(Boolean)) {
    const kind = modeKinds.find((options) => options.includes(option))?.[0] ?? option;
    if (seen.has(kind)) throw invalid(`invalid mode: ${mode} in '${specification}'`);
    seen.add(kind);
    if (option === 'ro') result.readWrite = false;
    else if (option === 'rw') result.readWrite = true;
    else if (propagations.includes(option)) result.propagation = option;
    // SELinux relabelling has nothing to do here, and copy-up is the default for volumes.
    else if (!['z', 'Z', 'nocopy', 'delegated', 'cached', 'consistent'].includes(option)) {
      throw invalid(`invalid mode: ${mode} in '${specification}'`);
    }
  }
  return result;
}

function fromMountsApi(mount: Mount): ContainerMount {
  const destination = destinationPath(mount.Target ?? '', JSON.stringify(mount));
  const common = { ...blank, destination, readWrite: !mount.ReadOnly };
  switch (mount.Type) {
    case 'bind':
      return bindMount(mount, common);
    case 'volume':
      return volumeMount(mount, common);
    case 'tmpfs':
      return tmpfsMount(mount, common);
    default:
      throw unsupported(`invalid mount config for type "${mount.Type}": mount type unknown or not supported by Gantry`);
  }
}

function bindMount(mount: Mount, common: Omit<ContainerMount, 'type'>): ContainerMount {
  if (mount.VolumeOptions) throw invalidMount('bind', 'field VolumeOptions must not be specified');
  if (mount.TmpfsOptions) throw invalidMount('bind', 'field TmpfsOptions must not be specified');
  if (!mount.Source) throw invalidMount('bind', 'field Source must not be empty');
  if (!mount.Source.startsWith('/')) {
    throw invalidMount('bind', `invalid mount path: '${mount.Source}' mount path must be absolute`);
  }
  const options: NonNullable<Mount['BindOptions']> = mount.BindOptions ?? {};
  const propagation = options.Propagation || 'rprivate';
  if (!propagations.includes(propagation)) throw invalidMount('bind', `invalid propagation mode: ${propagation}`);
  return {
    ...common,
    type: 'bind',
    source: posix.normalize(mount.Source),
    propagation,
    nonRecursive: options.NonRecursive ?? false,
    recursiveReadOnly: !common.readWrite && !options.NonRecursive && !options.ReadOnlyNonRecursive,
    createSource: options.CreateMountpoint ?? false,
  };
}

function volumeMount(mount: Mount, common: Omit<ContainerMount, 'type'>): ContainerMount {
  if (mount.BindOptions) throw invalidMount('volume', 'field BindOptions must not be specified');
  if (mount.TmpfsOptions) throw invalidMount('volume', 'field TmpfsOptions must not be specified');
  const options: NonNullable<Mount['VolumeOptions']> = mount.VolumeOptions ?? {};
  if (options.Subpath) throw unsupported('mount option VolumeOptions.Subpath is not supported yet');
  if (options.DriverConfig?.Name && options.DriverConfig.Name !== 'local') {
    throw unsupported(`volume driver "${options.DriverConfig.Name}" is not supported: use "local"`);
  }
  return { ...common, type: 'volume', name: mount.Source ?? '', mode: 'z', copyUp: !options.NoCopy };
}

function tmpfsMount(mount: Mount, common: Omit<ContainerMount, 'type'>): ContainerMount {
  if (mount.Source) throw invalidMount('tmpfs', 'field Source must not be specified');
  const { SizeBytes, Mode, Options } = mount.TmpfsOptions ?? {};
  const data = [
    ...(SizeBytes ? [`size=${SizeBytes}`] : []),
    ...(Mode ? [`mode=${Mode.toString(8)}`] : []),
    ...(Options ?? []).map((pair) => pair.join('=')),
  ];
  return { ...common, type: 'tmpfs', data: data.join(',') };
}

function destinationPath(destination: string, specification: string): string {
  if (!destination.startsWith('/')) {
    throw invalid(
      `invalid volume specification: '${specification}': invalid mount path: '${destination}' mount path must be absolute`,
    );
  }
  const normalized = posix.normalize(destination).replace(/(.)\/$/, '$1');
  if (normalized === '/') throw invalid(`invalid volume specification: '${specification}': destination can't be '/'`);
  return normalized;
}

const invalidMount = (type: string, problem: string): Error =>
  invalid(`invalid mount config for type "${type}": ${problem}`);
