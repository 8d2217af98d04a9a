import { randomBytes } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import type { Container, EndpointSettings } from '../containers/container.js';
import { failedByEndOf } from '../containers/just-ended.js';
import { forbidden, internal, invalid, notFound } from '../errors.js';
import type { Addon, EndpointRequest, IdMaps } from '../runtime/addon.js';
import { Spare } from '../runtime/spare.js';
import type { ContainerStore } from '../store/containers.js';
import { formatAddress, parseAddress, type Address } from './address.js';
import { defaultRoutes } from './default-routes.js';
import { derivedMacAddress, dnsNames, endpointRequest, nextInterface } from './endpoint-request.js';
import {
  isMacAddress,
  parseEndpointOptions,
  requestedSettings,
  validateEndpoint,
  withoutAssigned,
} from './endpoint-settings.js';
import type { PortRules } from './firewall.js';
import type { Network } from './network.js';
import type { Networks } from './networks.js';
import type { HeldPort } from './port-holder.js';
import { PortPublication, type PortForward } from './port-publication.js';
import { routeCandidates } from './route-candidates.js';
import { settingUp } from './setting-up.js';

/** A new user namespace with these maps, or that of a process. */
export type NamespaceOwner = IdMaps | { pid: number };

/** What a container that is about to start gets for a network. */
export interface Attachment {
  /** Descriptor of the network namespace, needed until `connected` has come to an end. */
  namespace: number;
  /** Resolves when the interfaces are up in it. */
  connected: Promise<void>;
  /** Sockets of the published ports and, in the same order, where to forward. */
  sockets: number[];
  forwards: PortForward[];
  /** Resolves when the firewall lets published ports through. */
  ready: Promise<void>;
  /** Tells everybody that the container is there: before its process runs, but nothing else waits for it. */
  announce(): void;
}

/** The ends of a container in its networks: made when it starts, or while it runs. */
export class Endpoints {
  /** Called when containers have come to a network, have left it, or are called something else there. */
  onNamesChanged: (network: Network, containers: Container[]) => void = () => undefined;
  /** Called when a running container has got a further end in a network, or has lost one. */
  onConnected: (container: Container, endpoint: EndpointSettings) => Promise<void> = () => Promise.resolve();
  onDisconnected: (container: Container, endpoint: EndpointSettings) => Promise<void> = () => Promise.resolve();
  readonly #ports: PortPublication;
  /** Of a namespace, with nothing but a loopback in it: half of what it takes to make one with an interface. */
  readonly #spare: Spare<number>;

  constructor(
    readonly addon: Addon,
    readonly networks: Networks,
    readonly store: Pick<ContainerStore, 'saveState' | 'saveRecord' | 'transaction'>,
    readonly containers: () => Container[],
    readonly logger: Pick<FastifyBaseLogger, 'error'>,
  ) {
    this.#ports = new PortPublication(addon, networks, containers);
    this.#spare = new Spare(() => addon.createNetworkNamespace());
  }

  /**
   * The endpoints of a new container by the names of their networks, checked as far as the networks exist.
   * @param macAddress the one of the whole container, which is that of its main network
   * @throws GantryError invalid in Docker's words
   */
  requested(
    mode: string,
    endpoints: Record<string, EndpointSettings>,
    macAddress = '',
  ): Record<string, EndpointSettings> {
    const nameOf = (reference: string): string =>
      reference === 'default' ? 'bridge' : (this.networks.find(reference)?.name ?? reference);
    const primary = nameOf(mode);
    // What is asked for is all there is: the mode alone decides only where nothing is.
    const named = new Map<string, EndpointSettings>();
    if (Object.keys(endpoints).length === 0) named.set(primary, {});
    for (const [reference, settings] of Object.entries(endpoints)) named.set(nameOf(reference), settings ?? {});
    if (primary === 'host' && [...named.keys()].some((name) => name !== 'host')) {
      throw invalid('conflicting options: a container of the host network cannot have other networks');
    }
    if (named.has('bridge') && this.networks.options.bridge === 'none') {
      throw invalid('the default bridge is off ("bridge": "none" in the configuration): use --network none or host');
    }
    for (const [name, settings] of named) {
      const network = this.networks.find(name);
      if (network) validateEndpoint(network, settings, `invalid config for network ${name}: `);
    }
    this.#refuseMacAddress(macAddress, primary, named.get(primary)?.MacAddress);
    return Object.fromEntries([...named].map(([name, settings]) => [name, requestedSettings(settings)]));
  }

  #refuseMacAddress(macAddress: string, network: string, ofEndpoint = ''): void {
    if (macAddress !== '' && !isMacAddress(macAddress)) {
      throw invalid(`invalid config for network ${network}: invalid MAC address ${macAddress}`);
    }
    if (macAddress !== '' && ofEndpoint !== '' && macAddress !== ofEndpoint) {
      throw invalid(
        'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
      );
    }
  }

  /** Notes who is on which network and has which ports, after the daemon was away. @returns what the firewall needs */
  restore(): PortRules[] {
    for (const container of this.containers()) {
      for (const [name, { EndpointID }] of Object.entries(container.networks)) {
        if (EndpointID) this.networks.find(name)?.members.set(container.id, container);
      }
    }
    for (const network of this.networks.list()) this.#namesChanged(network, ...network.members.values());
    return this.containers().flatMap((container) => this.#ports.rules(container));
  }

  /**
   * Gives a container that is about to start its addresses, ports and network namespace, and begins to make its
   * interfaces. Whoever gets that owns its descriptors, and calls `release` if it comes to nothing.
   * @param owner the user namespace that it is to belong to, unless that is the host's
   * @returns undefined when it has no namespace of its own that is made here (host, or none in a user namespace)
   * @throws GantryError; nothing of the attempt remains
   */
  async attach(container: Container, owner?: NamespaceOwner): Promise<Attachment | undefined> {
    const networks = this.#networksOf(container);
    const withInterfaces = networks.filter(({ hasInterfaces }) => hasInterfaces);
    let held: HeldPort[] = [];
    try {
      container.state.interfaces = {};
      const requests = networks
        .map((network) => settingUp(() => this.#join(container, network)))
        .filter((each) => each !== undefined);
      if (withInterfaces.length > 0) held = this.#ports.hold(container);
      container.state.ports = held.map(({ socket: _, ...port }) => port);
      const announce = (): void => this.#joined(container, networks);
      // From here on a start that is cut short can be undone by the next daemon.
      this.store.transaction(() => {
        this.store.saveState(container);
        if (withInterfaces.length === 0) announce();
      });
      if (withInterfaces.length === 0) {
        if (!networks.some(({ name }) => name === 'none') || owner) return undefined;
        const done = Promise.resolve();
        const nothing = { connected: done, sockets: [], forwards: [], ready: done, announce: () => undefined };
        return { namespace: await this.#spare.take(), ...nothing };
      }
      const routes = this.#routes(container);
      const forwards = this.#ports.forwards(container);
      const sockets = held.map(({ socket }) => socket);
      const namespace = await (owner ? this.addon.createNetworkNamespace(owner) : this.#spare.take());
      const connected = this.addon.connectNamespace(`/proc/self/fd/${namespace}`, requests, routes);
      const ready = this.networks.firewall.publish(this.#ports.rules(container));
      // Awaited by the caller, who may have failed before.
      for (const each of [connected, ready]) each.catch(() => undefined);
      return { namespace, connected, sockets, forwards, ready, announce };
    } catch (error) {
      this.#ports.close(held);
      this.release(container);
      throw error;
    }
  }

  /** Gets something ready for the next start, once this one is over. */
  prepare(): void {
    this.#spare.replace();
  }

  #joined(container: Container, networks: Network[]): void {
    for (const network of networks) {
      this.#namesChanged(network, container);
      this.networks.events.publishEndpoint(network, 'connect', container.id);
    }
  }

  #namesChanged(network: Network, ...containers: Container[]): void {
    if (network.userDefined && network.hasInterfaces) this.onNamesChanged(network, containers);
  }

  /** The one that the container was made for first, the others by name: eth0, eth1 and so on. */
  #networksOf(container: Container): Network[] {
    const primary = this.#primaryOf(container);
    const others = Object.keys(container.networks).filter((name) => name !== primary);
    const names = [...(primary in container.networks ? [primary] : []), ...others.sort()];
    return names.map((name) => {
      const network = this.networks.find(name);
      if (!network || network.closing) {
        throw notFound(`failed to set up container networking: network ${name} not found`);
      }
      if (network.record.definition.configOnly) {
        throw forbidden(`configuration network "${name}" cannot be used by a container`);
      }
      return network;
    });
  }

  #primaryOf({ hostConfig }: Container): string {
    const mode = hostConfig.NetworkMode || 'bridge';
    return this.networks.find(mode)?.name ?? mode;
  }

  /** Takes addresses and a place on the network. @returns what the kernel has to be asked for */
  #join(container: Container, network: Network): EndpointRequest | undefined {
    const settings = withoutAssigned(container.networks[network.name] ?? {});
    network.members.set(container.id, container);
    const endpoint: EndpointSettings = { ...settings, NetworkID: network.id, EndpointID: newId() };
    container.networks[network.name] = endpoint;
    if (!network.hasInterfaces) return undefined;
    const addresses = this.#lease(container, network, settings, endpoint);
    endpoint.DNSNames = network.userDefined ? dnsNames(container, settings) : null!;
    endpoint.MacAddress = this.#macAddress(container, network, settings, addresses[0]?.address);
    const options = parseEndpointOptions(settings);
    const name = options.interfaceName || nextInterface(container, network.bridge?.interfacePrefix ?? 'eth');
    container.state.interfaces = { ...container.state.interfaces, [network.name]: { name, pending: false } };
    return endpointRequest(container, network, name, endpoint, options, addresses);
  }

  #lease(
    container: Container,
    network: Network,
    settings: EndpointSettings,
    endpoint: EndpointSettings,
  ): { address: Address; prefix: number }[] {
    const { IPv4Address = '', IPv6Address = '' } = settings.IPAMConfig ?? {};
    return ([4, 6] as const).flatMap((family) => {
      const wanted = parseAddress(family === 4 ? IPv4Address : IPv6Address);
      const pool = wanted ? network.poolOf(wanted) : network.poolFor(family);
      if (!pool) return [];
      const address = pool.lease(container.id, wanted);
      const { prefix } = pool.definition.subnet;
      const { internal: isInternal } = network.record.definition;
      const text = formatAddress(address);
      const gateway = isInternal ? '' : network.gatewayOf(pool);
      if (family === 4) Object.assign(endpoint, { IPAddress: text, IPPrefixLen: prefix, Gateway: gateway });
      else Object.assign(endpoint, { GlobalIPv6Address: text, GlobalIPv6PrefixLen: prefix, IPv6Gateway: gateway });
      return [{ address, prefix }];
    });
  }

  /** Gives back the addresses and ports of a container that has ended; its interfaces go with its namespace. */
  release(container: Container): void {
    const rules = this.#ports.rules(container);
    if (rules.length > 0) this.#inBackground(this.networks.firewall.unpublish(rules), container);
    for (const [name, endpoint] of Object.entries(container.networks)) {
      const network = this.networks.find(name);
      if (network?.members.delete(container.id) && endpoint.EndpointID) {
        this.networks.events.publishEndpoint(network, 'disconnect', container.id);
      }
      this.#giveBack(network, endpoint);
      container.networks[name] = this.#afterRun(endpoint);
      if (network) this.#namesChanged(network, container);
    }
    container.state.ports = [];
    container.state.interfaces = {};
    this.networks.store.release(container.id);
  }

  #afterRun(endpoint: EndpointSettings): EndpointSettings {
    const { NetworkID = '', DNSNames } = endpoint;
    return { ...withoutAssigned(endpoint), NetworkID, ...(DNSNames && { DNSNames }) };
  }

  #giveBack(network: Network | undefined, { IPAddress = '', GlobalIPv6Address = '' }: EndpointSettings): void {
    for (const text of [IPAddress, GlobalIPv6Address]) {
      const address = parseAddress(text);
      if (address) network?.poolOf(address)?.release(address);
    }
  }

  #inBackground(work: Promise<unknown>, container: Container): void {
    work.catch((error: unknown) => {
      this.logger.error({ error, container: container.id }, 'could not withdraw published ports');
    });
  }

  /**
   * Connects a container to a further network, at once when it runs. Called with the container's lock held.
   * @throws GantryError in Docker's words; what `failedByEndOf` tells where it has ended, and nothing is changed
   */
  async connect(container: Container, network: Network, settings: EndpointSettings): Promise<void> {
    this.#refuseConnect(container, network);
    validateEndpoint(network, settings);
    const { name } = network;
    if (!container.running) {
      // A further request for a network that it has changes nothing, as with Docker.
      if (container.networks[name]) return;
      const requested = requestedSettings(settings);
      const DNSNames = network.userDefined && { DNSNames: dnsNames(container, requested) };
      container.networks[name] = { ...requested, ...DNSNames };
      this.store.saveRecord(container);
      return;
    }
    if (container.networks[name]) {
      throw forbidden(`endpoint with name ${container.name} already exists in network ${name}`);
    }
    const before = this.#ports.rules(container);
    container.networks[name] = requestedSettings(settings);
    try {
      const request = this.#join(container, network)!;
      const routes = this.#routes(container);
      this.#markPending(container, name, true);
      await this.addon.connectNamespace(namespaceOf(container), [request], routes);
    } catch (error) {
      this.#leave(container, network);
      this.store.saveState(container);
      throw error;
    }
    this.#namesChanged(network, container);
    try {
      await this.onConnected(container, container.networks[name]);
    } catch (error) {
      if (!failedByEndOf(container.state.pid, error)) {
        await this.repair(container);
        throw error;
      }
    }
    this.#markPending(container, name, false);
    await this.#movePorts(container, before);
    this.networks.events.publishEndpoint(network, 'connect', container.id);
  }

  #refuseConnect(container: Container, network: Network): void {
    const mode = container.hostConfig.NetworkMode ?? '';
    if (network.name === 'host') {
      throw invalid('cannot connect container to host network - container must be created in host network mode');
    }
    if (mode === 'host' || mode.startsWith('container:')) {
      throw invalid(
        'container sharing network namespace with another container or host cannot be connected to any other network',
      );
    }
    const names = Object.keys(container.networks);
    if ((network.name === 'none' && names.length > 0) || names.includes('none')) {
      throw invalid(
        'container cannot be connected to multiple networks with one of the networks in private (none) mode',
      );
    }
    if (network.closing) throw notFound(`network ${network.name} not found`);
    if (network.record.definition.configOnly) {
      throw forbidden(`configuration network "${network.name}" cannot be used by a container`);
    }
  }

  /**
   * Takes a container off a network, at once when it runs. Called with the container's lock held.
   * @throws GantryError in Docker's words; what `failedByEndOf` tells where it has ended, and nothing is changed
   */
  async disconnect(container: Container, network: Network): Promise<void> {
    const { name } = network;
    if (!container.running) return this.forget(container, name);
    if (!container.networks[name]) {
      throw internal(`container ${container.id} is not connected to network ${name}`);
    }
    if (name === 'host') {
      throw invalid('cannot disconnect container from host network - container was created in host network mode');
    }
    const before = this.#ports.rules(container);
    const endpoint = container.networks[name];
    const ownInterface = container.state.interfaces?.[name];
    if (ownInterface) {
      this.#markPending(container, name, true);
      const routes = this.#routes(container);
      await this.addon.disconnectNamespace(namespaceOf(container), ownInterface.name, routes);
    }
    this.#leave(container, network);
    this.#namesChanged(network, container);
    await this.#finishLeaving(container, endpoint);
    await this.#movePorts(container, before);
    this.networks.events.publishEndpoint(network, 'disconnect', container.id);
  }

  /**
   * Takes a container that does not run off a network, which may have been removed in the meantime.
   * @param name the network's
   */
  forget(container: Container, name: string): void {
    if (!container.networks[name]) {
      throw internal(`container ${container.id} is not connected to the network ${name}`);
    }
    delete container.networks[name];
    this.store.saveRecord(container);
  }

  /** A connect or disconnect that is cut short is undone or completed by `repair`. */
  #markPending(container: Container, name: string, pending: boolean): void {
    const ownInterface = container.state.interfaces?.[name];
    if (ownInterface) ownInterface.pending = pending;
    this.store.saveState(container);
  }

  #leave(container: Container, network: Network): void {
    const endpoint = container.networks[network.name];
    network.members.delete(container.id);
    if (endpoint) this.#giveBack(network, endpoint);
    this.networks.store.release(container.id, network.id);
    delete container.networks[network.name];
    delete container.state.interfaces?.[network.name];
  }

  /** The record is written last: until then it says that this is to be done again. */
  async #finishLeaving(container: Container, endpoint: EndpointSettings | undefined): Promise<void> {
    try {
      if (endpoint) await this.onDisconnected(container, endpoint);
    } catch (error) {
      if (!failedByEndOf(container.state.pid, error)) throw error;
    } finally {
      this.store.saveState(container);
    }
  }

  /** Published ports follow the default route. */
  async #movePorts(container: Container, before: PortRules[]): Promise<void> {
    const after = this.#ports.rules(container);
    if ((container.state.ports ?? []).length === 0 || JSON.stringify(before) === JSON.stringify(after)) return;
    await this.networks.firewall.replacePorts(before, after);
    try {
      await container.shim?.forward(this.#ports.forwards(container));
    } catch (error) {
      if (!failedByEndOf(container.state.pid, error)) throw error;
    }
  }

  /** After the daemon was away: finishes for a running container what was cut short, on the way to fewer networks. */
  async repair(container: Container): Promise<void> {
    for (const [name, { name: interfaceName, pending }] of Object.entries(container.state.interfaces ?? {})) {
      if (!pending) continue;
      const network = this.networks.find(name);
      const endpoint = container.networks[name];
      const routes = this.#routes(container);
      await this.addon.disconnectNamespace(namespaceOf(container), interfaceName, routes);
      if (network) {
        this.#leave(container, network);
        this.#namesChanged(network, container);
      }
      await this.#finishLeaving(container, endpoint);
    }
    // Where ports lead to is told last, and may have changed with the configuration.
    if ((container.state.ports ?? []).length > 0) await container.shim?.forward(this.#ports.forwards(container));
  }

  /** After the daemon was away: whoever does not run has no addresses, whatever was cut short. */
  releaseAbandoned(isRunning: (containerId: string) => boolean): void {
    for (const container of this.containers()) {
      if (isRunning(container.id) || !Object.values(container.networks).some(({ EndpointID }) => EndpointID)) continue;
      this.release(container);
      this.store.saveState(container);
    }
    for (const { container_id, network_id, address } of this.networks.store.leases()) {
      if (isRunning(container_id)) continue;
      const parsed = parseAddress(address);
      const network = this.networks.list().find(({ id }) => id === network_id);
      if (parsed) network?.poolOf(parsed)?.release(parsed);
      this.networks.store.release(container_id, network_id);
    }
  }

  /** The names of a container have changed. */
  renamed(container: Container): void {
    for (const [name, endpoint] of Object.entries(container.networks)) {
      const network = this.networks.find(name);
      if (!endpoint.DNSNames || !network?.userDefined) continue;
      endpoint.DNSNames = dnsNames(container, endpoint);
      if (network.members.has(container.id)) this.#namesChanged(network, container);
    }
  }

  #routes(container: Container): ReturnType<typeof defaultRoutes> {
    return defaultRoutes(routeCandidates(container, this.networks));
  }

  /** An ipvlan shares that of its parent. */
  #macAddress(
    container: Container,
    network: Network,
    settings: EndpointSettings,
    address: Address | undefined,
  ): string {
    if (network.record.driver === 'ipvlan') return '';
    const legacy = network.name === this.#primaryOf(container) ? container.config.MacAddress : undefined;
    const given = settings.DesiredMacAddress || legacy;
    if (given) return given.replaceAll('-', ':').toLowerCase();
    return address ? derivedMacAddress(address) : '';
  }
}

const newId = (): string => randomBytes(32).toString('hex');

const namespaceOf = ({ state }: Container): string => `/proc/${state.pid}/ns/net`;
