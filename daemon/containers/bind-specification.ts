import { invalid } from '../errors.js';
import { blankMount, type RequestedMount } from './requested-mount.js';
import { cleanPath, destinationPath, propagations } from './mount-path.js';

/** Of each of these a mode may have one. */
const modeWords: Readonly<Record<string, readonly string[]>> = {
  access: ['ro', 'rw'],
  // SELinux relabelling: nothing to do on a host without it.
  label: ['z', 'Z'],
  propagation: propagations,
  copy: ['nocopy'],
  // Of Docker Desktop; they mean nothing on Linux.
  consistency: ['consistent', 'cached', 'delegated'],
};

type Mode = Readonly<Record<string, string>>;

/**
 * `-v`: "source:destination[:mode]" with an absolute path or a volume's name as the source, or just "destination" for an
 * anonymous volume.
 * @param driver of the volume, when it has to be made
 * @throws GantryError invalid
 */
export function parseBind(specification: string, driver: string | undefined): RequestedMount {
  const refuse = (problem?: string): Error =>
    invalid(`invalid volume specification: '${specification}'${problem ? `: ${problem}` : ''}`);
  const parts = specification.split(':');
  if (parts.length > 3 || parts.slice(0, 2).includes('')) throw refuse();
  const [source = '', target, mode = ''] = parts.length === 1 ? ['', ...parts] : parts;
  const isPath = source.startsWith('/');
  const refuseMount = (problem: string): Error =>
    refuse(`invalid mount config for type "${isPath ? 'bind' : 'volume'}": ${problem}`);
  const words = parseMode(mode);
  const destination = destinationPath(target ?? '', refuseMount);
  const common = { ...blankMount, destination, readWrite: words['access'] !== 'ro' };
  if (isPath) {
    if (words['copy']) throw refuseMount('field VolumeOptions must not be specified');
    return {
      ...common,
      type: 'bind',
      source: cleanPath(source),
      mode,
      propagation: words['propagation'] ?? 'rprivate',
      recursiveReadOnly: !common.readWrite,
      createSource: true,
    };
  }
  if (words['propagation']) throw refuseMount('field BindOptions must not be specified');
  return {
    ...common,
    type: 'volume',
    name: source,
    mode: mode || 'z',
    recursiveReadOnly: !common.readWrite,
    copyUp: !words['copy'],
    volume: { driver },
  };
}

/** "ro,z" by the kind of each word. @throws GantryError invalid for an unknown word, or two of a kind */
export function parseMode(mode: string, kinds: readonly string[] = Object.keys(modeWords)): Mode {
  const found: Record<string, string> = {};
  if (mode === '') return found;
  for (const word of mode.split(',')) {
    const kind = kinds.find((name) => modeWords[name]?.includes(word));
    if (kind === undefined || kind in found) throw invalid(`invalid mode: ${mode}`);
    found[kind] = word;
  }
  return found;
}
