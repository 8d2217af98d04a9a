import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the containers on one network can look up. */
export interface NetworkNames {
  /** The network's name: every name also answers with it as its domain. */
  network: string;
  /** Addresses of both families by name: container names, aliases, short ids, services with all their replicas. */
  names: ReadonlyMap<string, readonly string[]>;
  /** The name that each address has in reverse look-ups: "web.frontend" for 172.18.0.2. */
  reverse: ReadonlyMap<string, string>;
}

/** A server that a container's DNS server asks for names it does not know. */
export interface UpstreamServer {
  address: string;
  /** Asked from the host's network, because the address comes from the host's resolv.conf. */
  fromHost: boolean;
}

/** What a container's own DNS server is told beyond the names of its networks. */
export interface ResolverSettings {
  /** Ids of published networks, the first that knows a name decides. */
  networks: readonly string[];
  /** Names that only this container has for others (--link): alias to name. */
  links: ReadonlyMap<string, string>;
  servers: readonly UpstreamServer[];
  /** The container's resolv.conf options; with ndots above 0 names without a dot are not asked of others. */
  options: readonly string[];
  /** All its networks are internal: servers are not asked by way of the host. */
  internal: boolean;
}

/**
 * Names for the DNS servers in the containers' shims, as files that they look at whenever they are asked, so that they
 * need nobody's help to answer. docs/shim-protocol.md describes the files. A file is replaced, never changed.
 */
export class NameTables {
  readonly #directory: string;

  constructor(execRoot: string) {
    this.#directory = join(execRoot, 'networks');
    mkdirSync(this.#directory, { recursive: true, mode: 0o710 });
  }

  /** Makes these the names of a network, at once for all containers on it. */
  publish(networkId: string, names: NetworkNames): void {
    replaceFile(this.#path(networkId), Buffer.from(tableText(names), 'latin1'));
  }

  /** Forgets a network. */
  remove(networkId: string): void {
    rmSync(this.#path(networkId), { force: true });
  }

  /** Forgets all networks but these: a daemon that was killed may have left others. */
  retain(networkIds: ReadonlySet<string>): void {
    for (const file of readdirSync(this.#directory)) {
      if (!networkIds.has(file.split('.')[0] ?? '')) rmSync(join(this.#directory, file));
    }
  }

  /**
   * Gives a container a DNS server or changes its settings. Those of a running server hold from the next question on; a
   * running container gets its first one when its shim is asked to look (`ShimClient.dns`).
   * @param bundle the container's bundle directory
   */
  resolver(bundle: string, { networks, links, servers, options, internal }: ResolverSettings): void {
    const document = {
      networks: networks.map((id) => this.#path(id)),
      links: Object.fromEntries([...links].map(([alias, name]) => [asciiLower(alias), asciiLower(name)])),
      servers,
      searchFirst: ndots(options) > 0,
      internal,
    };
    replaceFile(join(bundle, 'dns.json'), JSON.stringify(document));
  }

  /** Takes the DNS server away; a running one ends when its shim is asked to look. */
  removeResolver(bundle: string): void {
    rmSync(join(bundle, 'dns.json'), { force: true });
  }

  #path(networkId: string): string {
    return join(this.#directory, `${networkId}.names`);
  }
}

/** One line for every name and every address, sorted by their bytes: the reader searches by halves. */
function tableText({ network, names, reverse }: NetworkNames): string {
  const byKey = new Map<string, Set<string>>();
  for (const [name, addresses] of names) {
    const key = bytes(asciiLower(name));
    if (!isKey(key)) continue;
    const known = byKey.get(key);
    if (known) addresses.forEach((address) => known.add(address));
    else byKey.set(key, new Set(addresses));
  }
  const lines: string[] = [];
  for (const [key, addresses] of byKey) lines.push(`${key} ${[...addresses].join(' ')}`);
  for (const [address, name] of reverse) {
    const target = bytes(name);
    if (isKey(target)) lines.push(`@${canonicalAddress(address)} ${target}`);
  }
  // No key has a character below the space that ends it, so lines are in the order of their keys.
  lines.sort();
  return `network ${bytes(asciiLower(network))}\n${lines.join('\n')}${lines.length > 0 ? '\n' : ''}`;
}

/** Names are equal whatever the case of their ASCII letters, and of no others. */
const asciiLower = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** A character for each byte of UTF-8, so that strings are ordered as bytes are. */
const bytes = (text: string): string => (/^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text).toString('latin1'));

/** What cannot stand in a table cannot be asked for either: DNS has no such name. */
const isKey = (name: string): boolean => /^[^@\0-\x20\\\x7f][^\0-\x20\\\x7f]{0,252}$/.test(name);

/** IPv6 in its one shortest form. */
function canonicalAddress(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

function ndots(options: readonly string[]): number {
  const option = options.filter((each) => each.startsWith('ndots:')).at(-1);
  return option === undefined ? 0 : Number.parseInt(option.slice('ndots:'.length), 10) || 0;
}

function replaceFile(path: string, content: string | Buffer): void {
  const incomplete = `${path}.new`;
  writeFileSync(incomplete, content, { mode: 0o600 });
  renameSync(incomplete, path);
}
