import { internal, invalid, notFound } from '../errors.js';
import { exposedPorts } from '../networks/port-requests.js';
import type { Container, HostConfig } from './container.js';
import type { ContainerDirectories } from './directories.js';
import { changeHosts, etcFiles, replaceHosts } from './etc-files.js';
import type { ContainerStore } from '../store/containers.js';
import type { ContainerRegistry } from './registry.js';

/** Another container of the default bridge, under a name that only one container has for it. */
interface Link {
  target: Container;
  alias: string;
}

type Port = ReturnType<typeof exposedPorts>[number];

/**
 * Links between containers of the default bridge (`--link`), which has no names: an entry in /etc/hosts, and variables that
 * tell of the other's ports. On user-defined networks a link is a name, see NameResolution. A record has them as
 * "ID:alias", so that they follow a container that is renamed.
 * https://docs.docker.com/engine/network/links/
 */
export class Links {
  constructor(
    readonly registry: ContainerRegistry,
    readonly directories: ContainerDirectories,
    readonly store: Pick<ContainerStore, 'saveRecord'>,
    /** Whether containers of the default bridge reach each other at all. */
    readonly interContainer: boolean,
  ) {}

  /**
   * The links of a new container as its record has them.
   * @throws GantryError in Docker's words
   */
  resolve({ Links, NetworkMode }: HostConfig): string[] | null {
    if (!Links?.length) return null;
    if (NetworkMode !== 'bridge') return Links;
    if (!this.interContainer) {
      throw invalid('HostConfig.Links is not supported where "icc" is false: use a user-defined network');
    }
    return Links.map((link) => {
      const [reference = '', alias, ...more] = link.split(':');
      if (alias === '' || more.length > 0) throw invalid(`bad format for links: ${link}`);
      const target = reference === '' ? undefined : this.registry.find(reference);
      if (!target) throw invalid(`could not get container for ${reference}: No such container: ${reference}`);
      return `${target.id}:${alias ?? target.name}`;
    });
  }

  /** As an inspect shows them: "/web:/front/alias". Those to containers that are gone are gone. */
  shown(container: Container): string[] | null {
    const links = this.#linksOf(container);
    return links.length > 0 ? links.map(({ target, alias }) => `/${target.name}:/${container.name}/${alias}`) : null;
  }

  /**
   * Takes a link away.
   * @param name "front/alias" for what front has linked under that alias
   * @throws GantryError in Docker's words
   */
  remove(name: string): void {
    const [, owner = '', alias] = /^\/?([^/]*)(?:\/(.*))?$/s.exec(name) ?? [];
    const container = this.registry.get(owner);
    if (alias === undefined) throw internal('Conflict, cannot remove the default link name of the container');
    const links = this.#linksOf(container);
    const gone = links.find((link) => link.alias === alias);
    if (!gone) throw notFound(`No such container: ${name}`);
    const kept = links.filter((link) => link !== gone).map((link) => `${link.target.id}:${link.alias}`);
    container.hostConfig.Links = kept.length > 0 ? kept : null!; // the document has null lists as absent
    this.store.saveRecord(container);
    if (container.running) changeHosts(etcFiles(container, this.directories).hosts, hostsLines(gone), []);
  }

  /** Further names of containers, by id: "/front/alias" for what front has linked under that alias. */
  furtherNames(): Map<string, string[]> {
    const names = new Map<string, string[]>();
    for (const container of this.registry.all()) {
      for (const { target, alias } of this.#linksOf(container)) {
        names.set(target.id, [...(names.get(target.id) ?? []), `/${container.name}/${alias}`]);
      }
    }
    return names;
  }

  /** @throws GantryError if a container that this one is linked to does not run on the default bridge */
  check(container: Container): void {
    for (const { target, alias } of this.#linksOf(container)) {
      if (!target.running) {
        throw internal(`Cannot link to a non running container: /${target.name} AS /${container.name}/${alias}`);
      }
      if (!target.networks['bridge']) {
        throw internal(`container ${target.id} not attached to default bridge network`);
      }
    }
  }

  /** Lines for /etc/hosts. */
  hosts(container: Container): string[] {
    return this.#linksOf(container).flatMap(hostsLines);
  }

  /** Tells those who link to a container that has started its new addresses. */
  announce(target: Container): void {
    for (const container of this.registry.all()) {
      if (!container.running) continue;
      const links = this.#linksOf(container).filter((link) => link.target === target);
      if (links.length > 0) replaceHosts(etcFiles(container, this.directories).hosts, links.flatMap(hostsLines));
    }
  }

  /** Variables that describe the linked containers to a process. */
  environment(container: Container): string[] {
    return this.#linksOf(container).flatMap((link) => variables(container, link));
  }

  #linksOf({ hostConfig }: Container): Link[] {
    if (hostConfig.NetworkMode !== 'bridge') return [];
    return (hostConfig.Links ?? []).flatMap((link) => {
      const separator = link.indexOf(':');
      const target = this.registry.find(link.slice(0, separator));
      return target ? [{ target, alias: link.slice(separator + 1) }] : [];
    });
  }
}

function hostsLines({ target, alias }: Link): string[] {
  const { IPAddress, GlobalIPv6Address } = target.networks['bridge'] ?? {};
  const names = [...new Set([alias, target.config.Hostname ?? '', target.name])].join(' ');
  return [IPAddress, GlobalIPv6Address].filter(Boolean).map((address) => `${address}\t${names}`);
}

function variables(container: Container, { target, alias }: Link): string[] {
  const prefix = alias.split('/').at(-1)!.toUpperCase().replaceAll('-', '_');
  const address = target.networks['bridge']?.IPAddress ?? '';
  const ports = exposedPorts(target.config).sort(compare);
  const [first] = ports;
  const inherited = (target.config.Env ?? []).filter((entry) => !/^(HOME|PATH)(=|$)/.test(entry));
  return [
    ...(first ? [`${prefix}_PORT=${url(first, address)}`] : []),
    ...ranges(ports).flatMap((range) => rangeVariables(prefix, address, range)),
    ...ports.flatMap((port) => portVariables(prefix, address, port)),
    `${prefix}_NAME=/${container.name}/${alias}`,
    ...inherited.map((entry) => `${prefix}_ENV_${entry}`),
  ];
}

const url = ({ containerPort, protocol }: Port, address: string): string => `${protocol}://${address}:${containerPort}`;

function portVariables(prefix: string, address: string, port: Port): string[] {
  const name = `${prefix}_PORT_${port.containerPort}_${port.protocol.toUpperCase()}`;
  return [
    `${name}=${url(port, address)}`,
    `${name}_ADDR=${address}`,
    `${name}_PORT=${port.containerPort}`,
    `${name}_PROTO=${port.protocol}`,
  ];
}

function rangeVariables(prefix: string, address: string, { start, end }: { start: Port; end: Port }): string[] {
  const name = `${prefix}_PORT_${start.containerPort}_${start.protocol.toUpperCase()}`;
  return [
    `${name}_START=${url(start, address)}`,
    `${name}_PORT_START=${start.containerPort}`,
    `${name}_END=${url(end, address)}`,
    `${name}_PORT_END=${end.containerPort}`,
  ];
}

/** In their order. */
const compare = (one: Port, other: Port): number =>
  one.containerPort - other.containerPort || (one.protocol < other.protocol ? -1 : 1);

/** Two and more ports one after the other. */
function ranges(ports: Port[]): { start: Port; end: Port }[] {
  const found: { start: Port; end: Port }[] = [];
  for (const port of ports) {
    const last = found.at(-1);
    const follows = last && last.end.containerPort + 1 === port.containerPort && last.end.protocol === port.protocol;
    if (follows) last.end = port;
    else found.push({ start: port, end: port });
  }
  return found.filter(({ start, end }) => start !== end);
}
