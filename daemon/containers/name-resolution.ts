import type { NameTables } from '../networks/name-tables.js';
import type { Network } from '../networks/network.js';
import type { Networks } from '../networks/networks.js';
import type { Container, EndpointSettings } from './container.js';
import type { ContainerDirectories } from './directories.js';
import { changeHosts, changeResolvConf, endpointHosts, etcFiles, resolverKind, type EtcDefaults } from './etc-files.js';
import { resolvConf } from './resolv-conf.js';

/** How a running container finds names: the settings of its own DNS server, and what /etc says of its networks. */
export class NameResolution {
  constructor(
    readonly tables: NameTables,
    readonly networks: Networks,
    readonly directories: ContainerDirectories,
    readonly defaults: EtcDefaults,
  ) {}

  /** Tells the DNS server of a container that is about to start what to answer, if it is to have one. */
  prepare(container: Container): void {
    if (this.#hasServer(container)) this.#writeSettings(container);
  }

  /** After a running container was connected to a network: `endpoint` is its end there. */
  async connected(container: Container, endpoint: EndpointSettings): Promise<void> {
    await this.#changed(container, [], [endpoint]);
  }

  /** After a running container was disconnected from the network where its end was `endpoint`. */
  async disconnected(container: Container, endpoint: EndpointSettings): Promise<void> {
    await this.#changed(container, [endpoint], []);
  }

  async #changed(container: Container, gone: EndpointSettings[], come: EndpointSettings[]): Promise<void> {
    const files = etcFiles(container, this.directories);
    const lines = (endpoints: EndpointSettings[]): string[] =>
      endpoints.flatMap((each) => endpointHosts(container, each));
    changeHosts(files.hosts, lines(gone), lines(come));
    const kind = resolverKind(container);
    const other = kind === 'internal' ? 'legacy' : 'internal';
    const text = (of: typeof kind): string => resolvConf(container.hostConfig, this.defaults, of).text;
    changeResolvConf(files.resolvConf, text(other), text(kind));
    if (this.#hasServer(container)) this.#writeSettings(container);
    else this.tables.removeResolver(this.directories.bundle(container.id));
    await container.shim?.dns();
  }

  #hasServer(container: Container): boolean {
    return resolverKind(container) === 'internal' && this.#networksOf(container).length > 0;
  }

  #writeSettings(container: Container): void {
    const networks = this.#networksOf(container);
    const { servers, options } = resolvConf(container.hostConfig, this.defaults, 'internal');
    this.tables.resolver(this.directories.bundle(container.id), {
      networks: networks.filter(({ userDefined }) => userDefined).map(({ id }) => id),
      links: linksOf(container),
      servers,
      options,
      internal: networks.every(({ record }) => record.definition.internal),
    });
  }

  /** Those that lead somewhere, the one the container was made for first. */
  #networksOf({ hostConfig, networks }: Container): Network[] {
    const primary = this.networks.find(hostConfig.NetworkMode ?? '')?.name;
    const names = Object.keys(networks).sort((one, other) => Number(other === primary) - Number(one === primary));
    return names
      .map((name) => this.networks.find(name))
      .filter((network) => network?.hasInterfaces === true) as Network[];
  }
}

/** Aliases that only this container has for others, `--link web:frontend`, on all its networks. */
function linksOf({ hostConfig, networks }: Container): Map<string, string> {
  const own = hostConfig.NetworkMode === 'bridge' ? [] : (hostConfig.Links ?? []);
  const links = [...own, ...Object.values(networks).flatMap(({ Links }) => Links ?? [])];
  return new Map(
    links.map((link) => {
      const [name = '', alias = name] = link.split(':');
      return [alias, name.replace(/^\//, '')];
    }),
  );
}
