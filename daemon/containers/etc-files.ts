import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import type { Container, EndpointSettings } from './container.js';
import type { ContainerDirectories } from './directories.js';
import { resolvConf, type ResolverDefaults, type ResolverKind } from './resolv-conf.js';
import type { EtcFiles } from './spec/mounts.js';

export interface EtcDefaults extends ResolverDefaults {
  /** What `host-gateway` in --add-host stands for. */
  hostGateways(): string[];
}

/** Where these files of a container are. */
export function etcFiles({ id }: Pick<Container, 'id'>, directories: ContainerDirectories): EtcFiles {
  return {
    hostname: directories.data(id, 'hostname'),
    hosts: directories.data(id, 'hosts'),
    resolvConf: directories.data(id, 'resolv.conf'),
  };
}

/**
 * The container whose network another one has: that which it has joined, or which that one has joined in turn.
 * @param find by id
 */
export function networkOwner<Found extends Container | undefined>(
  container: Container,
  find: (id: string) => Found,
): Container | Found {
  const { NetworkMode = '' } = container.hostConfig;
  if (!NetworkMode.startsWith('container:')) return container;
  const joined = find(NetworkMode.slice('container:'.length));
  return joined ? networkOwner<Found>(joined, find) : joined;
}

/** Writes hostname, hosts and resolv.conf into the container's directory, as they appear in its /etc. */
export function writeEtcFiles(
  container: Container,
  directories: ContainerDirectories,
  defaults: EtcDefaults,
  linkedHosts: readonly string[],
): EtcFiles {
  const files = etcFiles(container, directories);
  writeFileSync(files.hostname, `${container.config.Hostname ?? ''}\n`);
  writeFileSync(files.hosts, hosts(container, defaults.hostGateways(), linkedHosts));
  writeFileSync(files.resolvConf, resolvConf(container.hostConfig, defaults, resolverKind(container)).text);
  if (!container.hasHostIds)
    for (const file of [files.hostname, files.hosts, files.resolvConf]) directories.giveToRoot(file);
  return files;
}

/** Who is on a network of its own making asks the internal server. */
export function resolverKind({ hostConfig, networks }: Pick<Container, 'hostConfig' | 'networks'>): ResolverKind {
  const { NetworkMode = 'default' } = hostConfig;
  if (NetworkMode === 'host') return 'host';
  const names = [NetworkMode, ...Object.keys(networks)];
  return names.every((name) => ['default', 'bridge', 'none'].includes(name)) ? 'legacy' : 'internal';
}

/**
 * Changes the resolv.conf of a running container, in place, because it is bound into the container's tree; but only if
 * it still is what the engine wrote last.
 */
export function changeResolvConf(path: string, written: string, text: string): void {
  if (readOptional(path).trimEnd() === written.trimEnd()) overwrite(path, text);
}

function hosts(container: Container, hostGateways: string[], linkedHosts: readonly string[]): string {
  const { hostConfig } = container;
  const asOnHost = hostConfig.NetworkMode === 'host' && !hostConfig.ExtraHosts?.length;
  const lines = asOnHost ? [readOptional('/etc/hosts').trimEnd()] : localHosts();
  for (const entry of hostConfig.ExtraHosts ?? []) {
    const separator = entry.search(/[:=]/);
    const address = entry.slice(separator + 1).replace(/^\[(.*)\]$/, '$1');
    for (const each of address === 'host-gateway' ? hostGateways : [address]) {
      lines.push(`${each}\t${entry.slice(0, separator)}`);
    }
  }
  lines.push(...linkedHosts);
  for (const endpoint of Object.values(container.networks)) lines.push(...endpointHosts(container, endpoint));
  return `${lines.join('\n')}\n`;
}

/** The lines by which a container finds its own addresses on one network. */
export function endpointHosts({ config }: Container, { IPAddress, GlobalIPv6Address }: EndpointSettings): string[] {
  const fullName = [config.Hostname ?? '', config.Domainname ?? ''].filter(Boolean).join('.');
  const dot = fullName.indexOf('.');
  const names = dot < 0 ? fullName : `${fullName} ${fullName.slice(0, dot)}`;
  return [IPAddress, GlobalIPv6Address].filter(Boolean).map((address) => `${address}\t${names}`);
}

/** Changes lines of a running container's hosts, in place, and leaves what it has written itself. */
export function changeHosts(path: string, gone: string[], come: string[]): void {
  const lines = readOptional(path).trimEnd().split('\n');
  const kept = lines.filter((line) => !gone.includes(line) && !come.includes(line));
  overwrite(path, `${[...kept, ...come].join('\n')}\n`);
}

/** Puts lines in place of those with the same first name. */
export function replaceHosts(path: string, come: string[]): void {
  const firstName = (line: string): string | undefined => line.split(/\s+/)[1];
  const replaced = new Set(come.map(firstName));
  const lines = readOptional(path).split('\n');
  changeHosts(
    path,
    lines.filter((line) => replaced.has(firstName(line))),
    come,
  );
}

function localHosts(): string[] {
  return [
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::\tip6-localnet',
    'ff00::\tip6-mcastprefix',
    'ff02::1\tip6-allnodes',
    'ff02::2\tip6-allrouters',
  ];
}

/**
 * Changes a file in place. Whoever reads it meanwhile, or finds it after the daemon was killed here, has all of the text:
 * blank lines stand behind it until the file is cut.
 */
function overwrite(path: string, text: string): void {
  const file = openSync(path, 'r+');
  try {
    const content = Buffer.from(text);
    const rest = Buffer.alloc(Math.max(0, fstatSync(file).size - content.length), '\n');
    writeSync(file, Buffer.concat([content, rest]), 0, undefined, 0);
    ftruncateSync(file, content.length);
  } finally {
    closeSync(file);
  }
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
