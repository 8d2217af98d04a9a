import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asciiLower, NameTable } from './name-table.js';
import type { MemberNames } from './network-names.js';

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
  /** By the network's id. */
  readonly #tables = new Map<string, NameTable>();

  constructor(execRoot: string) {
    this.#directory = join(execRoot, 'networks');
    mkdirSync(this.#directory, { recursive: true, mode: 0o710 });
  }

  /**
   * Gives containers other names on a network, at once for all who look there.
   * @param changes by the container's id; undefined for one that is no longer there
   */
  update({ id, name }: { id: string; name: string }, changes: Iterable<[string, MemberNames | undefined]>): void {
    let table = this.#tables.get(id);
    if (!table) this.#tables.set(id, (table = new NameTable(name)));
    for (const [member, names] of changes) table.set(member, names);
    replaceFile(this.#path(id), Buffer.from(table.text, 'latin1'));
  }

  /** Forgets a network. */
  remove(networkId: string): void {
    this.#tables.delete(networkId);
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

function ndots(options: readonly string[]): number {
  const option = options.filter((each) => each.startsWith('ndots:')).at(-1);
  return option === undefined ? 0 : Number.parseInt(option.slice('ndots:'.length), 10) || 0;
}

function replaceFile(path: string, content: string | Buffer): void {
  const incomplete = `${path}.new`;
  writeFileSync(incomplete, content, { mode: 0o600 });
  renameSync(incomplete, path);
}
