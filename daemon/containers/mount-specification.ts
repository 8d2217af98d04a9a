import { invalid } from '../errors.js';
import type { HostConfig } from './container.js';
import { cleanPath, destinationPath, propagations, subpathOf } from './mount-path.js';
import { blankMount, type RequestedMount } from './requested-mount.js';

type Mount = NonNullable<HostConfig['Mounts']>[number];
type Common = Omit<RequestedMount, 'type'>;
type Refuse = (problem: string) => Error;

/** What each type of mount is told by, beside the common fields. */
const optionFields = {
  bind: 'BindOptions',
  volume: 'VolumeOptions',
  tmpfs: 'TmpfsOptions',
  image: 'ImageOptions',
} as const;

const parsers = { bind: bindMount, volume: volumeMount, tmpfs: tmpfsMount, image: imageMount };

/** `--mount`: an entry of `HostConfig.Mounts`. @throws GantryError invalid, with Docker's words */
export function parseMount(mount: Mount): RequestedMount {
  const type = mount.Type ?? '';
  const refuse: Refuse = (problem) => invalid(`invalid mount config for type "${type}": ${problem}`);
  if (!isSupported(type)) throw refuse('mount type unknown');
  for (const field of Object.values(optionFields)) {
    if (!mount[field] || field === optionFields[type]) continue;
    if (field === 'ImageOptions') throw refuse(`field ${field} must not be specified`);
    throw invalid(`${field} must not be specified on mount type "${type}"`);
  }
  if (!mount.Target) throw refuse('field Target must not be empty');
  const readWrite = !mount.ReadOnly;
  const common = { ...blankMount, destination: destinationPath(mount.Target, refuse), readWrite };
  return parsers[type](mount, { ...common, recursiveReadOnly: !readWrite }, refuse);
}

const isSupported = (type: string): type is keyof typeof optionFields => type in optionFields;

function bindMount(mount: Mount, common: Common, refuse: Refuse): RequestedMount {
  const source = mount.Source ?? '';
  if (source === '') throw refuse('field Source must not be empty');
  if (!source.startsWith('/')) throw refuse(`invalid mount path: '${source}' mount path must be absolute`);
  const options: NonNullable<Mount['BindOptions']> = mount.BindOptions ?? {};
  const propagation = options.Propagation || 'rprivate';
  if (!propagations.includes(propagation)) throw refuse(`invalid propagation mode: ${propagation}`);
  checkReadOnly(options, common.readWrite);
  return {
    ...common,
    type: 'bind',
    source: cleanPath(source),
    propagation,
    nonRecursive: options.NonRecursive ?? false,
    recursiveReadOnly: !common.readWrite && !options.ReadOnlyNonRecursive,
    createSource: options.CreateMountpoint ?? false,
  };
}

/** Read-only is recursive by itself, which every kernel that Gantry runs on can do; so "force" has nothing to add. */
function checkReadOnly(options: NonNullable<Mount['BindOptions']>, readWrite: boolean): void {
  const conflict = (terms: string): Error => invalid(`mount options conflict: ${terms}`);
  for (const option of ['ReadOnlyNonRecursive', 'ReadOnlyForceRecursive'] as const) {
    if (options[option] && readWrite) throw conflict(`!ReadOnly && BindOptions.${option}`);
  }
  if (options.ReadOnlyNonRecursive && options.ReadOnlyForceRecursive) {
    throw conflict('ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive');
  }
}

function volumeMount(mount: Mount, common: Common, refuse: Refuse): RequestedMount {
  const name = mount.Source ?? '';
  const options: NonNullable<Mount['VolumeOptions']> = mount.VolumeOptions ?? {};
  if (options.Subpath && name === '') throw refuse('must not set Subpath when using anonymous volumes');
  const subpath = subpathOf(options.Subpath, refuse);
  return {
    ...common,
    type: 'volume',
    name,
    mode: 'z',
    copyUp: !options.NoCopy,
    ...(subpath !== undefined && { subpath }),
    volume: {
      driver: options.DriverConfig?.Name,
      labels: options.Labels,
      options: options.DriverConfig?.Options,
    },
  };
}

function tmpfsMount(mount: Mount, common: Common, refuse: Refuse): RequestedMount {
  if (mount.Source) throw refuse('field Source must not be specified');
  const { SizeBytes = 0, Mode, Options } = mount.TmpfsOptions ?? {};
  if (SizeBytes < 0) throw refuse(`invalid size: ${SizeBytes}`);
  const words = (Options ?? []).map(([word = '', ...value]) => {
    if (value.length > 1) throw refuse('invalid option array length');
    if ((word !== 'exec' && word !== 'noexec') || value.length > 0) throw refuse(`invalid option: ${word}`);
    return word;
  });
  const data = [...(SizeBytes ? [`size=${SizeBytes}`] : []), ...(Mode ? [`mode=${Mode.toString(8)}`] : []), ...words];
  return { ...common, type: 'tmpfs', data: data.join(',') };
}

function imageMount(mount: Mount, common: Common, refuse: Refuse): RequestedMount {
  if (!mount.Source) throw refuse('field Source must not be empty');
  const subpath = subpathOf(mount.ImageOptions?.Subpath, refuse);
  return {
    ...common,
    type: 'image',
    name: mount.Source,
    readWrite: false,
    recursiveReadOnly: true,
    propagation: 'rprivate',
    ...(subpath !== undefined && { subpath }),
  };
}
