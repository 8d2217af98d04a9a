import { readFileSync, writeFileSync } from 'node:fs';
import type { Container } from './container.js';
import type { ContainerDirectories } from './directories.js';
import type { EtcFiles } from './spec/mounts.js';

export interface ResolverDefaults {
  servers: string[];
  search: string[];
  options: string[];
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

/** Writes hostname, hosts and resolv.conf into the container's directory, as they appear in its /etc. */
export function writeEtcFiles(
  container: Container,
  directories: ContainerDirectories,
  defaults: ResolverDefaults,
): EtcFiles {
  const files = etcFiles(container, directories);
  writeFileSync(files.hostname, `${container.config.Hostname ?? ''}\n`);
  writeFileSync(files.hosts, hosts(container, defaults.hostGateways()));
  writeFileSync(files.resolvConf, resolvConf(container, defaults));
  if (!container.hasHostIds)
    for (const file of [files.hostname, files.hosts, files.resolvConf]) directories.giveToRoot(file);
  return files;
}

function hosts(container: Container, hostGateways: string[]): string {
  const { config, hostConfig } = container;
  const lines = hostConfig.NetworkMode === 'host' ? [readOptional('/etc/hosts').trimEnd()] : localHosts();
  for (const entry of hostConfig.ExtraHosts ?? []) {
    const separator = entry.search(/[:=]/);
    const address = entry.slice(separator + 1).replace(/^\[(.*)\]$/, '$1');
    for (const each of address === 'host-gateway' ? hostGateways : [address]) {
      lines.push(`${each}\t${entry.slice(0, separator)}`);
    }
  }
  const name = config.Hostname ?? '';
  const fullName = config.Domainname ? `${name}.${config.Domainname} ${name}` : name;
  for (const endpoint of Object.values(container.networks)) {
    for (const address of [endpoint.IPAddress, endpoint.GlobalIPv6Address]) {
      if (address) lines.push(`${address}\t${fullName}`);
    }
  }
  return `${lines.join('\n')}\n`;
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

/** The host's resolv.conf with the container's or the daemon's settings in place of the host's. */
function resolvConf(container: Container, defaults: ResolverDefaults): string {
  const { hostConfig } = container;
  const host = parse(readOptional('/etc/resolv.conf'));
  const choose = (own: readonly string[] | null | undefined, configured: string[], fromHost: string[]): string[] =>
    own?.length ? [...own] : configured.length ? configured : fromHost;
  // A loopback address of the host is another machine's inside a network namespace.
  const reachable =
    hostConfig.NetworkMode === 'host' ? host.servers : host.servers.filter((server) => !isLoopback(server));
  const servers = choose(hostConfig.Dns, defaults.servers, reachable);
  const search = choose(hostConfig.DnsSearch, defaults.search, host.search).filter((domain) => domain !== '.');
  const options = choose(hostConfig.DnsOptions, defaults.options, host.options);
  return [
    ...servers.map((server) => `nameserver ${server}\n`),
    ...(search.length ? [`search ${search.join(' ')}\n`] : []),
    ...(options.length ? [`options ${options.join(' ')}\n`] : []),
  ].join('');
}

function parse(text: string): { servers: string[]; search: string[]; options: string[] } {
  const result = { servers: [] as string[], search: [] as string[], options: [] as string[] };
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    if (keyword === 'nameserver' && values[0]) result.servers.push(values[0]);
    else if (keyword === 'search' || keyword === 'domain') result.search = values;
    else if (keyword === 'options') result.options.push(...values);
  }
  return result;
}

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
