import { invalid, unsupported } from '../../errors.js';
import { defaultRunOptions, type Entitlement, type RunOptions } from '../build-request.js';

/** What the Dockerfile front end is asked for, by the names that clients of BuildKit have for it. */
export interface DockerfileOptions {
  filename: string;
  target: string | undefined;
  platform: string | undefined;
  /** Directories of the client, as it calls them. */
  contextDirectory: string;
  dockerfileDirectory: string;
  /** The Dockerfile is the client's, wherever the context is. */
  isDockerfileLocal: boolean;
  /** Another place than the client's directory: a repository, an archive. */
  contextLocation: string | undefined;
  buildArgs: Record<string, string>;
  labels: Record<string, string>;
  noCache: boolean | ReadonlySet<string>;
  pull: boolean;
  cacheFrom: string[];
  run: RunOptions;
  /** By lower-case name: "docker-image://…", "input:…", "local:…", a URL. */
  namedContexts: Map<string, string>;
  /** Sessions that serve directories in the place of the build's own. */
  sessionIds: Map<string, string>;
}

/** Told for the record, or (`requestid`) for the gateway; nothing of a build depends on them. */
const informative =
  /^(?:cmdline|source|requestid|frontend\.caps|multi-platform|vcs:.*|input-metadata:.*|build-arg:BUILDKIT_SYNTAX)$/;

/** @throws GantryError for an option that is not supported, or has no meaning */
export function dockerfileOptions(attributes: Readonly<Record<string, string>>): DockerfileOptions {
  const options: DockerfileOptions = {
    filename: 'Dockerfile',
    target: undefined,
    platform: undefined,
    contextDirectory: 'context',
    dockerfileDirectory: 'dockerfile',
    isDockerfileLocal: false,
    contextLocation: undefined,
    buildArgs: {},
    labels: {},
    noCache: false,
    pull: false,
    cacheFrom: [],
    run: { ...defaultRunOptions },
    namedContexts: new Map(),
    sessionIds: new Map(),
  };
  for (const [name, value] of Object.entries(attributes)) {
    if (informative.test(name)) continue;
    if (!readPrefixed(options, name, value) && !readPlain(options, name, value)) {
      throw unsupported(`the build option "${name}" is not supported by Gantry`);
    }
  }
  return options;
}

function readPrefixed(options: DockerfileOptions, name: string, value: string): boolean {
  const colon = name.indexOf(':');
  if (colon < 0) return false;
  const key = name.slice(colon + 1);
  switch (name.slice(0, colon)) {
    case 'build-arg':
      options.buildArgs[key] = value;
      return true;
    case 'label':
      options.labels[key] = value;
      return true;
    case 'context':
      options.namedContexts.set(key.toLowerCase(), value);
      return true;
    case 'local-sessionid':
      options.sessionIds.set(key, value);
      return true;
    case 'attest':
      // What docker's image store cannot hold, clients switch off.
      return value.split(',').includes('disabled=true');
    default:
      return false;
  }
}

function readPlain(options: DockerfileOptions, name: string, value: string): boolean {
  const read = plainOptions[name];
  read?.(options, value);
  return read !== undefined;
}

const plainOptions: Readonly<Record<string, (options: DockerfileOptions, value: string) => void>> = {
  filename: (options, value) => (options.filename = value || 'Dockerfile'),
  target: (options, value) => (options.target = value || undefined),
  platform: (options, value) => (options.platform = onePlatform(value)),
  context: (options, value) => (options.contextLocation = value || undefined),
  contextkey: (options, value) => (options.contextDirectory = value),
  dockerfilekey: (options, value) => Object.assign(options, { dockerfileDirectory: value, isDockerfileLocal: true }),
  'no-cache': (options, value) => (options.noCache = value === '' ? true : new Set(list(value))),
  'image-resolve-mode': (options, value) => (options.pull = resolveMode(value)),
  'cache-from': (options, value) => options.cacheFrom.push(...list(value)),
  'cache-imports': (options, value) => options.cacheFrom.push(...cacheImports(value)),
  'add-hosts': (options, value) => (options.run.extraHosts = list(value).map(extraHost)),
  'shm-size': (options, value) => (options.run.shmSize = wholeNumber('shm-size', value)),
  ulimit: (options, value) => (options.run.ulimits = list(value).map(ulimit)),
  'cgroup-parent': (options, value) => (options.run.cgroupParent = value),
  'force-network-mode': (options, value) => (options.run.network = networkMode(value)),
};

const list = (value: string): string[] => value.split(',').filter((item) => item !== '');

function onePlatform(value: string): string | undefined {
  const platforms = list(value);
  if (platforms.length > 1) throw unsupported(`cannot build for several platforms at once (${value})`);
  return platforms[0];
}

function resolveMode(value: string): boolean {
  if (!['local', 'default', 'pull', ''].includes(value)) throw invalid(`invalid image-resolve-mode: ${value}`);
  return value === 'pull';
}

/** What an importer of a cache is told; an image whose own layers are it. */
interface CacheImport {
  Type?: string;
  Attrs?: Record<string, string>;
}

function cacheImports(value: string): string[] {
  let imports: unknown;
  try {
    imports = JSON.parse(value);
  } catch {
    throw invalid('invalid cache-imports: it is not JSON');
  }
  if (!Array.isArray(imports)) throw invalid('invalid cache-imports: it is no list');
  return imports.map(({ Type = '', Attrs = {} }: CacheImport) => cacheImport(Type, Attrs));
}

/** @throws GantryError for a cache that is no image */
export function cacheImport(type: string, attributes: Readonly<Record<string, string>>): string {
  const reference = attributes['ref'];
  if (type !== 'registry') throw unsupported(`cannot import a cache of type "${type}": use type=registry`);
  if (!reference) throw invalid('the imported cache has no ref');
  return reference;
}

/** "name=address" */
function extraHost(item: string): string {
  const [name, address] = splitOnce(item, '=');
  if (!name || !address) throw invalid(`invalid extra host: ${item}`);
  return `${name}:${address}`;
}

/** "nofile=1024:2048" */
function ulimit(item: string): RunOptions['ulimits'][number] {
  const [Name, limits = ''] = splitOnce(item, '=');
  const [soft = '', hard = soft] = splitOnce(limits, ':');
  return { Name, Soft: limit(item, soft), Hard: limit(item, hard) };
}

function limit(item: string, text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw invalid(`invalid ulimit: ${item}`);
  return Number(text);
}

function wholeNumber(name: string, value: string): number {
  if (!/^\d{1,15}$/.test(value)) throw invalid(`invalid ${name}: ${value}`);
  return Number(value);
}

function networkMode(value: string): string {
  // Clients send the engine's own word for it.
  if (value === '' || value === 'default' || value === 'sandbox') return 'default';
  return value;
}

function splitOnce(text: string, separator: string): [string, string?] {
  const place = text.indexOf(separator);
  return place < 0 ? [text] : [text.slice(0, place), text.slice(place + 1)];
}

/** @throws GantryError for one that there is not */
export function entitlement(name: string): Entitlement {
  if (name === 'network.host' || name === 'security.insecure') return name;
  throw unsupported(`the entitlement "${name}" is not supported by Gantry`);
}
