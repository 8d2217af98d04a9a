import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { FastifyBaseLogger } from 'fastify';
import { conflict, forbidden, internal, invalid, notFound } from '../errors.js';
import type { Addon } from '../runtime/addon.js';
import type { NetworkDriver, NetworkRecord, NetworkStore } from '../store/networks.js';
import { parseAddress, type Family, type Subnet } from './address.js';
import { parseBridgeOptions } from './bridge-options.js';
import { defaultBridge } from './default-bridge.js';
import { blankDefinition } from './definition.js';
import type { NetworkEvents } from './events.js';
import { Firewall, type PortRules } from './firewall.js';
import { allocateSubnets } from './ipam.js';
import { Network } from './network.js';
import type { NetworkOptions } from './network-options.js';
import { checkRequest, withConfigFrom, type CheckedRequest, type NetworkCreateRequest } from './network-request.js';
import { parseSharedLinkOptions, vlanOf } from './shared-link-options.js';
import { subnetPools, type SubnetPool } from './subnet-pools.js';

const predefined: Record<string, NetworkDriver> = { bridge: 'bridge', host: 'host', none: 'null' };

/** The networks of this engine: their records, and what the kernel has of them. */
export class Networks {
  readonly #byName = new Map<string, Network>();
  /** Names and bridges of networks that are being made. */
  readonly #reserved = new Set<string>();
  readonly #pools: SubnetPool[];
  readonly firewall: Firewall;
  /** Called when a network is no longer there. */
  onRemoved: (network: Network) => void = () => undefined;
  /** netfilter cannot carry what arrives at published ports: the shims do. */
  shimForwards = false;

  constructor(
    readonly addon: Addon,
    readonly store: NetworkStore,
    readonly events: NetworkEvents,
    readonly options: NetworkOptions,
    readonly logger: Pick<FastifyBaseLogger, 'warn' | 'error'>,
  ) {
    this.firewall = new Firewall(addon, options.table, options.firewall, options.firewallIPv6);
    this.#pools = subnetPools(options.pools, options.table);
  }

  /** Reads the records; the predefined networks are there afterwards. Nothing of the kernel is touched. */
  load(now: string): void {
    for (const record of this.store.all()) this.#byName.set(record.name, new Network(record, this.store));
    for (const [name, driver] of Object.entries(predefined)) {
      if (this.#byName.has(name)) continue;
      const record = { id: newId(), name, driver, created: now, definition: blankDefinition() };
      this.store.insert(record);
      this.#byName.set(name, new Network(record, this.store));
    }
    if (this.options.bridge !== 'none') this.#defineDefaultBridge();
    this.#restoreLeases();
  }

  #defineDefaultBridge(): void {
    const { record } = this.get('bridge');
    const taken = this.#subnets().filter(({ network }) => network.name !== 'bridge');
    const definition = defaultBridge(
      record.definition,
      this.options,
      this.#pools,
      taken.map(({ subnet }) => subnet),
    );
    const fresh = { ...record, definition };
    this.store.saveDefinition(fresh);
    this.#byName.set('bridge', new Network(fresh, this.store));
  }

  #restoreLeases(): void {
    const byId = new Map(this.list().map((network) => [network.id, network]));
    for (const lease of this.store.leases()) {
      const address = parseAddress(lease.address);
      if (address) byId.get(lease.network_id)?.poolOf(address)?.restore(address);
    }
  }

  /** Makes the kernel agree with the records: links, forwarding, and the firewall as a whole with these ports in it. */
  async start(ports: PortRules[]): Promise<void> {
    const bridges = this.list().filter(({ bridge, name }) => bridge && (name !== 'bridge' || this.#hasDefaultBridge));
    if (this.options.forward) {
      enableForwarding('ipv4/ip_forward');
      if (bridges.some(({ record }) => record.definition.enableIPv6)) enableForwarding('ipv6/conf/all/forwarding');
    }
    for (const network of this.list()) {
      await this.#bringUp(network).catch((error: unknown) => {
        if (network.name === 'bridge') throw error;
        this.logger.error({ error, network: network.name }, 'could not set up a network');
      });
    }
    await this.firewall.install(
      bridges.map((network) => network.bridgeRules(this.options)),
      ports,
    );
  }

  /** Finds out who carries what arrives at published ports; before anything is published. */
  async choosePortForwarding(): Promise<void> {
    const { portForwarding, firewall } = this.options;
    this.shimForwards = portForwarding === 'shim' || !firewall;
    if (!firewall) return;
    const dropping = await this.firewall.admit();
    if (dropping.length === 0) return;
    const chains = dropping.join(', ');
    if (portForwarding === 'auto') this.shimForwards = true;
    this.logger.warn(
      `the firewall of this host drops forwarded packets (${chains}): containers reach nothing outside until it accepts ` +
        `what enters and leaves by their bridges, see docs/networking.md` +
        (portForwarding === 'auto' ? '; published ports are served by the shims' : ''),
    );
  }

  get #hasDefaultBridge(): boolean {
    return this.options.bridge !== 'none';
  }

  /** The host's addresses on the default bridge, or those configured for it. */
  get hostGateways(): string[] {
    if (this.options.hostGateways.length > 0) return this.options.hostGateways;
    const network = this.find('bridge');
    if (!network || !this.#hasDefaultBridge) return [];
    return network.pools.map((pool) => network.hostAddress(pool)).filter((address) => address !== '');
  }

  list(): Network[] {
    return [...this.#byName.values()];
  }

  /** By name, id or unambiguous prefix of an id. */
  find(reference: string): Network | undefined {
    const byName = this.#byName.get(reference);
    if (byName || reference === '') return byName;
    const matches = this.list().filter(({ id }) => id.startsWith(reference));
    if (matches.length > 1) {
      throw invalid(`network ${reference} is ambiguous (${matches.length} matches found based on ID prefix)`);
    }
    return matches[0];
  }

  /** @throws GantryError not-found */
  get(reference: string): Network {
    const network = this.find(reference);
    if (!network) throw notFound(`network ${reference} not found`);
    return network;
  }

  /** The record comes first: a network cut in half is completed at the next start. */
  async create(request: NetworkCreateRequest, now: string): Promise<{ network: Network; warning: string }> {
    let checked = checkRequest(request, this.options.defaults);
    const { name } = checked;
    if (this.#byName.has(name) || this.#reserved.has(name)) {
      throw conflict(`network with name ${name} already exists`);
    }
    if (checked.definition.configFrom) {
      checked = withConfigFrom(checked, this.find(checked.definition.configFrom)?.record);
    }
    const record = this.#define(checked, now);
    const network = new Network(record, this.store);
    this.#reserved.add(name);
    this.store.insert(record);
    this.#byName.set(name, network);
    network.closing = true;
    try {
      await this.#bringUp(network, true);
      if (network.bridge) await this.firewall.addBridge(network.bridgeRules(this.options));
      network.closing = false;
    } catch (error) {
      await this.#takeDown(network).catch(() => undefined);
      this.#byName.delete(name);
      this.store.delete(record.id);
      throw error;
    } finally {
      this.#reserved.delete(name);
    }
    this.events.publish(network, 'create');
    return { network, warning: checked.warning };
  }

  #define({ name, driver, ipam, definition }: CheckedRequest, now: string): NetworkRecord {
    const id = newId();
    const record = { id, name, driver, created: now, definition };
    if (definition.configOnly) return record;
    const families: Family[] = [
      ...(definition.enableIPv4 ? [4 as const] : []),
      ...(definition.enableIPv6 ? [6 as const] : []),
    ];
    // Where there is no way out, nobody is the router: the bridge of an isolated network has no address either.
    const unrouted: Family[] = driver !== 'bridge' && definition.internal ? [4, 6] : [];
    if (driver === 'bridge') {
      const options = parseBridgeOptions(definition.options, definition.internal);
      if (options.gatewayModeIPv4 === 'isolated') unrouted.push(4);
      if (options.gatewayModeIPv6 === 'isolated') unrouted.push(6);
      definition.link = options.name || `br-${id.slice(0, 12)}`;
      definition.ownsLink = !options.name || !this.addon.linkExists(options.name);
      this.#refuseSameBridge(record);
    } else {
      const { parent } = parseSharedLinkOptions(driver as 'macvlan' | 'ipvlan', definition.options);
      definition.link = parent || `d${driver[0]}-${id.slice(0, 12)}`;
      if (parent && !this.addon.linkExists(parent)) {
        const { lower } = vlanOf(parent);
        if (!this.addon.linkExists(lower)) throw internal(`-o parent interface was not found on the host: ${lower}`);
      }
    }
    const taken = this.#subnets().map(({ subnet }) => subnet);
    const { subnets, ipam: shown } = allocateSubnets(ipam, families, this.#pools, taken, unrouted);
    if (driver === 'bridge' && subnets.length > families.length) {
      throw forbidden("bridge driver doesn't support multiple subnets");
    }
    Object.assign(definition, { subnets, ipam: shown });
    return record;
  }

  #refuseSameBridge({ id, definition }: NetworkRecord): void {
    const other = this.list().find(({ record, bridge }) => bridge && record.definition.link === definition.link);
    if (!other) return;
    throw forbidden(
      `cannot create network ${id} (${definition.link}): conflicts with network ${other.id} (${definition.link}): ` +
        'networks have same bridge name',
    );
  }

  /** The subnets of all networks: no two overlap. */
  #subnets(): { network: Network; subnet: Subnet }[] {
    return this.list().flatMap((network) =>
      network.pools.map(({ definition }) => ({ network, subnet: definition.subnet })),
    );
  }

  /** @param fresh the network was just asked for: whether its link is made for it shows now */
  async #bringUp(network: Network, fresh = false): Promise<void> {
    const { definition } = network.record;
    if (network.bridge) {
      if (network.name === 'bridge' && !this.#hasDefaultBridge) return;
      if (fresh && this.options.forward && definition.enableIPv6) enableForwarding('ipv6/conf/all/forwarding');
      await this.addon.ensureBridge({
        name: definition.link,
        addresses: network.bridgeAddresses,
        mtu: network.mtu,
      });
    } else if (network.sharedLink) {
      const { parent } = network.sharedLink;
      if (parent && this.addon.linkExists(parent)) return;
      const { lower, id } = parent ? vlanOf(parent) : { lower: '', id: 0 };
      const request = { name: definition.link, kind: parent ? 'vlan' : 'dummy', parent: lower, vlan: id } as const;
      const created = await this.addon.ensureParentLink(request);
      if (!created || definition.ownsLink) return;
      definition.ownsLink = true;
      this.store.saveDefinition(network.record);
    }
  }

  async #takeDown(network: Network): Promise<void> {
    const { definition } = network.record;
    if (network.bridge) await this.firewall.removeBridge(network.bridgeRules(this.options));
    const shared = this.list().some((other) => other !== network && other.record.definition.link === definition.link);
    if (definition.ownsLink && !shared) await this.addon.deleteLink(definition.link);
  }

  /** @throws GantryError forbidden when it is predefined or in use */
  async remove(network: Network): Promise<void> {
    const { name } = network;
    if (network.predefined) throw forbidden(`${name} is a pre-defined network and cannot be removed`);
    if (network.members.size > 0) {
      const endpoints = [...network.members.values()].map((member) => {
        const endpoint = member.networks[name]?.EndpointID ?? '';
        return `name:"${member.name}" id:"${endpoint.slice(0, 12)}"`;
      });
      throw forbidden(`error while removing network: network ${name} has active endpoints (${endpoints.join(', ')})`);
    }
    if (network.record.definition.configOnly) {
      const user = this.list().find(({ record }) => record.definition.configFrom === name);
      if (user) throw forbidden(`error while removing network: configuration network "${name}" is in use`);
    }
    if (network.closing) throw conflict(`network ${name} is being made or removed`);
    network.closing = true;
    try {
      await this.#takeDown(network);
    } catch (error) {
      network.closing = false;
      throw internal(`error while removing network: ${(error as Error).message}`, error);
    }
    this.store.delete(network.id);
    this.#byName.delete(name);
    this.onRemoved(network);
    this.events.publish(network, 'destroy');
  }

  /** The address of the network's own to which ports are published that name none; "" for all. */
  hostBinding(network: Network): string {
    const binding = network.bridge?.hostBinding ?? '';
    return binding === '0.0.0.0' ? '' : binding;
  }
}

const newId = (): string => randomBytes(32).toString('hex');

function enableForwarding(name: string): void {
  const path = `/proc/sys/net/${name}`;
  try {
    if (readFileSync(path, 'utf8').trim() !== '1') writeFileSync(path, '1');
  } catch (error) {
    // A kernel without IPv6 has no such file.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
