import { invalid } from '../errors.js';

/** `RUN --mount=…`. Values may hold variables until they are expanded. */
export interface BuildMount {
  type: 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';
  target: string;
  source: string;
  /** Stage, image or context that a bind or cache mount shows; the build context when empty. */
  from: string;
  readOnly: boolean;
  /** Of a cache, secret or ssh agent. */
  id: string;
  sharing: 'shared' | 'private' | 'locked';
  /** A secret or agent that is not there is an error. */
  required: boolean;
  mode: string;
  uid: string;
  gid: string;
  /** Of a tmpfs. */
  size: string;
  /** Variable that a secret is put into. */
  env: string;
}

type Field = keyof BuildMount;

const aliases: Readonly<Record<string, Field>> = {
  target: 'target',
  dst: 'target',
  destination: 'target',
  source: 'source',
  src: 'source',
  from: 'from',
  id: 'id',
  sharing: 'sharing',
  mode: 'mode',
  uid: 'uid',
  gid: 'gid',
  size: 'size',
  env: 'env',
};

const fields: Readonly<Record<BuildMount['type'], readonly string[]>> = {
  bind: ['target', 'source', 'from', 'readOnly'],
  cache: ['target', 'source', 'from', 'readOnly', 'id', 'sharing', 'mode', 'uid', 'gid'],
  tmpfs: ['target', 'size'],
  secret: ['target', 'id', 'required', 'mode', 'uid', 'gid', 'env'],
  ssh: ['target', 'id', 'required', 'mode', 'uid', 'gid'],
};

/**
 * Reads the value of one --mount flag, a line of comma-separated fields.
 *
 * @see https://docs.docker.com/reference/dockerfile/#run---mount
 * @throws GantryError invalid, naming the field
 */
export function parseMount(text: string): BuildMount {
  const given = splitFields(text);
  const type = given.find(([key]) => key === 'type')?.[1] ?? 'bind';
  if (!isMountType(type)) throw invalid(`unsupported mount type "${type}": use bind, cache, tmpfs, secret or ssh`);
  const mount = defaults(type);
  for (const [key, value] of given) if (key !== 'type') setField(mount, key, value);
  return complete(mount);
}

function splitFields(text: string): [string, string | undefined][] {
  return splitCommas(text).map((field) => {
    const equals = field.indexOf('=');
    return equals < 0
      ? [field.toLowerCase(), undefined]
      : [field.slice(0, equals).toLowerCase(), field.slice(equals + 1)];
  });
}

/** At commas that are not inside double quotes, as a line of CSV. */
function splitCommas(text: string): string[] {
  return (text.match(/(?:"[^"]*"|[^,"])+/g) ?? []).map((field) => field.trim().replaceAll('"', ''));
}

const isMountType = (type: string): type is BuildMount['type'] => Object.hasOwn(fields, type);

function defaults(type: BuildMount['type']): BuildMount {
  const texts = { target: '', source: '', from: '', id: '', mode: '', uid: '', gid: '', size: '', env: '' };
  return { type, ...texts, readOnly: type === 'bind', sharing: 'shared', required: false };
}

function setField(mount: BuildMount, key: string, value: string | undefined): void {
  const flag = flagOf(key, value);
  const name = flag?.name ?? aliases[key];
  if (name === undefined) throw invalid(`unexpected key '${key}' in mount of type ${mount.type}`);
  if (!fields[mount.type].includes(name)) throw invalid(`unexpected key '${key}' for mount type '${mount.type}'`);
  if (flag) mount[flag.name] = flag.value;
  else if (value === undefined || value === '') throw invalid(`invalid field '${key}' must be a key=value pair`);
  else if (name === 'sharing') mount.sharing = parseSharing(value);
  else mount[name as 'target'] = value;
}

function flagOf(key: string, value = 'true'): { name: 'readOnly' | 'required'; value: boolean } | undefined {
  const isOn = (): boolean => {
    if (value === 'true' || value === '1') return true;
    if (value === 'false' || value === '0') return false;
    throw invalid(`invalid value for ${key}: ${value}: use true or false`);
  };
  if (key === 'readonly' || key === 'ro') return { name: 'readOnly', value: isOn() };
  if (key === 'readwrite' || key === 'rw') return { name: 'readOnly', value: !isOn() };
  return key === 'required' ? { name: 'required', value: isOn() } : undefined;
}

function parseSharing(value: string): BuildMount['sharing'] {
  const name = value.toLowerCase();
  if (name === 'shared' || name === 'private' || name === 'locked') return name;
  throw invalid(`unsupported sharing value "${value}": use shared, private or locked`);
}

function complete(mount: BuildMount): BuildMount {
  const needsTarget = mount.type === 'bind' || mount.type === 'cache' || mount.type === 'tmpfs';
  if (needsTarget && mount.target === '') throw invalid(`target is required for a mount of type ${mount.type}`);
  if (mount.type === 'secret' && mount.id === '') {
    mount.id = mount.target.split('/').at(-1) ?? '';
    if (mount.id === '') throw invalid('a secret mount needs an id or a target');
  }
  return mount;
}
