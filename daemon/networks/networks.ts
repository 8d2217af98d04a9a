import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { invalid, notFound, unsupported } from '../errors.js';
import type { Container, EndpointSettings } from '../containers/container.js';
import type { Addon, IdMaps } from '../runtime/addon.js';
import type { NetworkRecord, NetworkStore } from '../store/networks.js';
import { Firewall } from './firewall.js';
import { findFreeSubnet } from './free-subnet.js';
import { AddressPool } from './leases.js';
import { formatSubnet, hostRange, parseCidr, toText } from './subnet.js';

export interface NetworkOptions {
  /** Interface of the default network; "none" for no default network at all. */
  bridge: string;
  /** Address of the bridge with its prefix; chosen when empty. */
  bridgeAddress: string;
  mtu: number;
  table: string;
  masquerade: boolean;
  forward: boolean;
  firewall: boolean;
}

/** The user namespace of a container: maps of a new one, or a process that is in it. */
export type NamespaceOwner = IdMaps | { pid: number };

const defaultNetworks = ['bridge', 'host', 'none'] as const;
const drivers = { bridge: 'bridge', host: 'host', none: 'null' } as const;

/** The networks of this engine: their records, addresses, and the interfaces of containers on them. */
export class Networks {
  readonly #records = new Map<string, NetworkRecord>();
  readonly #firewall: Firewall;
  #pool: AddressPool | undefined;

  constructor(
    readonly addon: Addon,
    readonly store: NetworkStore,
    readonly options: NetworkOptions,
  ) {
    this.#firewall = new Firewall(addon, options.table);
  }

  /**
   * Makes the records and the kernel agree: predefined networks, bridge, firewall, forwarding.
   * Leases of containers that do not run any more are released by the caller first.
   */
  async start(now: string): Promise<void> {
    for (const record of this.store.all()) this.#records.set(record.name, record);
    for (const name of defaultNetworks) {
      if (this.#records.has(name)) continue;
      const record = {
        id: randomBytes(32).toString('hex'),
        name,
        driver: drivers[name],
        created: now,
        subnet: '',
        gateway: '',
      };
      this.store.insert(record);
      this.#records.set(name, record);
    }
    if (this.options.bridge !== 'none') await this.#startBridge();
  }

  async #startBridge(): Promise<void> {
    const record = this.get('bridge');
    const { bridge, mtu, bridgeAddress } = this.options;
    const { subnet, address } = parseCidr(bridgeAddress || this.#storedAddress(record) || this.#chooseAddress());
    if (record.subnet !== formatSubnet(subnet) || record.gateway !== toText(address)) {
      record.subnet = formatSubnet(subnet);
      record.gateway = toText(address);
      this.store.setSubnet(record.id, record.subnet, record.gateway);
    }
    this.#pool = new AddressPool(record.id, subnet, address, this.store);
    for (const lease of this.store.leases()) this.#pool.restore(lease.address);
    await this.addon.ensureBridge({ name: bridge, addresses: [`${toText(address)}/${subnet.prefix}`], mtu });
    if (this.options.forward) enableForwarding();
    if (this.options.firewall) {
      await this.#firewall.install([{ name: bridge, subnet: record.subnet, masquerade: this.options.masquerade }]);
    }
  }

  #storedAddress(record: NetworkRecord): string {
    return record.gateway && `${record.gateway}/${record.subnet.split('/')[1]}`;
  }

  #chooseAddress(): string {
    const subnet = findFreeSubnet(this.options.bridge);
    return `${toText(hostRange(subnet).first)}/${subnet.prefix}`;
  }

  /** The host's address on the default bridge; "" where there is none. */
  get gateway(): string {
    return this.find('bridge')?.gateway ?? '';
  }

  /** Takes back the addresses of containers that do not run: a start that was cut off leaves its lease behind. */
  releaseAbandoned(isRunning: (containerId: string) => boolean): void {
    for (const lease of this.store.leases()) {
      if (isRunning(lease.container_id)) continue;
      this.store.release(lease.container_id);
      this.#pool?.release(lease.address);
    }
  }

  list(): NetworkRecord[] {
    return [...this.#records.values()];
  }

  /** By name, id or unambiguous prefix of an id. */
  find(reference: string): NetworkRecord | undefined {
    const byName = this.#records.get(reference);
    if (byName) return byName;
    const matches = this.list().filter(({ id }) => id.startsWith(reference));
    return reference && matches.length === 1 ? matches[0] : undefined;
  }

  /** @throws GantryError not-found */
  get(reference: string): NetworkRecord {
    const record = this.find(reference);
    if (!record) throw notFound(`network ${reference} not found`);
    return record;
  }

  /** Checks a container's network mode and endpoints at creation. */
  validate(mode: string, endpoints: Record<string, EndpointSettings>): void {
    if (mode.startsWith('container:')) return;
    const names = Object.keys(endpoints);
    const other = names.find((name) => name !== mode && !(name === 'default' && mode === 'bridge'));
    if (other !== undefined) {
      this.get(other);
      throw unsupported(`connecting a container to "${mode}" and "${other}" is not supported yet`);
    }
    const requested = endpoints[mode]?.IPAMConfig?.IPv4Address;
    if (requested) {
      if (!isIPv4(requested)) throw invalid(`invalid IPv4 address: ${requested}`);
      throw invalid('user specified IP address is supported on user defined networks only');
    }
    if (mode === 'bridge' && this.options.bridge === 'none') {
      throw invalid('the default bridge is off ("bridge": "none" in the configuration): use --network none or host');
    }
  }

  /**
   * Creates the namespace and the interface of a container on the bridge.
   * @param owner the user namespace that it is to belong to, unless that is the host's
   * @returns the namespace's descriptor, which the caller closes once the shim has it
   */
  async attach(container: Container, owner?: NamespaceOwner): Promise<number> {
    const record = this.get('bridge');
    const requested = container.networks['bridge'] ?? {};
    const address = this.#pool!.lease(container.id);
    try {
      const namespace = await this.addon.createNetworkNamespace(owner);
      try {
        return await this.#addEndpoint(container, record, requested, namespace, address);
      } catch (error) {
        this.addon.closeDescriptor(namespace);
        throw error;
      }
    } catch (error) {
      this.#pool!.release(address);
      this.release(container);
      throw error;
    }
  }

  async #addEndpoint(
    container: Container,
    record: NetworkRecord,
    requested: EndpointSettings,
    namespace: number,
    address: string,
  ): Promise<number> {
    const prefix = Number(record.subnet.split('/')[1]);
    const macAddress = requested.MacAddress || container.config.MacAddress || randomMacAddress();
    await this.addon.createEndpoint(namespace, {
      bridge: this.options.bridge,
      hostInterface: `veth${randomBytes(4).toString('hex').slice(0, 7)}`,
      containerInterface: 'eth0',
      macAddress,
      mtu: this.options.mtu,
      addresses: [`${address}/${prefix}`],
      gateways: [record.gateway],
    });
    container.networks['bridge'] = {
      ...requested,
      NetworkID: record.id,
      EndpointID: randomBytes(32).toString('hex'),
      Gateway: record.gateway,
      IPAddress: address,
      IPPrefixLen: prefix,
      MacAddress: macAddress,
    };
    return namespace;
  }

  /** Gives back the addresses of a container; its interface goes with its namespace. */
  release(container: Container): void {
    for (const [name, endpoint] of Object.entries(container.networks)) {
      if (endpoint.IPAddress) this.#pool?.release(endpoint.IPAddress);
      container.networks[name] = {
        ...endpoint,
        EndpointID: '',
        Gateway: '',
        IPAddress: '',
        IPPrefixLen: 0,
        MacAddress: '',
      };
    }
    this.store.release(container.id);
  }
}

function randomMacAddress(): string {
  const bytes = randomBytes(6);
  bytes[0] = (bytes[0]! & 0xfe) | 0x02; // unicast, locally administered
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function enableForwarding(): void {
  const path = '/proc/sys/net/ipv4/ip_forward';
  if (readFileSync(path, 'utf8').trim() !== '1') writeFileSync(path, '1');
}
