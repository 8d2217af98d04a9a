import type { Container } from '../containers/container.js';
import type { NetworkStore, NetworkRecord } from '../store/networks.js';
import { formatAddress, type Address, type Family } from './address.js';
import { AddressPool } from './address-pool.js';
import { parseBridgeOptions, type BridgeOptions } from './bridge-options.js';
import { subnetsOf } from './definition.js';
import type { BridgeRules } from './firewall.js';
import type { NetworkOptions } from './network-options.js';
import { parseSharedLinkOptions, type SharedLinkOptions } from './shared-link-options.js';

/** A network in memory: its record, its addresses, and who is on it. */
export class Network {
  readonly pools: AddressPool[];
  /** Containers that run and have an endpoint here, by id. */
  readonly members = new Map<string, Container>();
  readonly bridge: BridgeOptions | undefined;
  readonly sharedLink: SharedLinkOptions | undefined;
  /** Being removed: nobody may join any more. */
  closing = false;

  constructor(
    readonly record: NetworkRecord,
    store: NetworkStore,
  ) {
    const { driver, definition } = record;
    this.pools = subnetsOf(record).map((subnet) => new AddressPool(record.id, subnet, store));
    if (definition.configOnly) return;
    if (driver === 'bridge') this.bridge = parseBridgeOptions(definition.options, definition.internal);
    if (driver === 'macvlan' || driver === 'ipvlan') {
      this.sharedLink = parseSharedLinkOptions(driver, definition.options);
    }
  }

  get name(): string {
    return this.record.name;
  }

  get id(): string {
    return this.record.id;
  }

  /** One of the networks that every engine has. */
  get predefined(): boolean {
    return ['bridge', 'host', 'none'].includes(this.record.name);
  }

  get userDefined(): boolean {
    return !this.predefined;
  }

  /** Containers get an interface of their own in it. */
  get hasInterfaces(): boolean {
    return this.bridge !== undefined || this.sharedLink !== undefined;
  }

  get mtu(): number {
    return this.bridge?.mtu ?? this.sharedLink?.mtu ?? 0;
  }

  /** The pool that an address is of. */
  poolOf(address: Address): AddressPool | undefined {
    return this.pools.find((pool) => pool.contains(address));
  }

  /** The pool that new addresses of a family come from. */
  poolFor(family: Family): AddressPool | undefined {
    return this.pools.find((pool) => pool.family === family);
  }

  /** The gateway of the pool's subnet, "" where there is none. */
  gatewayOf({ definition, family }: AddressPool): string {
    return definition.gateway === undefined ? '' : formatAddress({ family, value: definition.gateway });
  }

  /** The bridge's own addresses, with their prefixes. */
  get bridgeAddresses(): string[] {
    const { bridge } = this;
    return this.pools
      .filter(({ family }) => {
        if (family === 4 && bridge?.inhibitIPv4) return false;
        return (family === 4 ? bridge?.gatewayModeIPv4 : bridge?.gatewayModeIPv6) !== 'isolated';
      })
      .filter((pool) => pool.definition.gateway !== undefined)
      .map((pool) => `${this.hostAddress(pool)}/${pool.definition.subnet.prefix}`);
  }

  /** What the host is called in a subnet: the gateway, unless another router is that. */
  hostAddress(pool: AddressPool): string {
    return this.record.definition.hostAddresses?.[pool.family] ?? this.gatewayOf(pool);
  }

  /** @param options whether the engine masquerades at all, and whether shims serve */
  bridgeRules({ masquerade, userlandProxy }: Pick<NetworkOptions, 'masquerade' | 'userlandProxy'>): BridgeRules {
    const { definition } = this.record;
    const options = this.bridge!;
    const source = (mode: string, address: string): boolean | string =>
      masquerade && options.masquerade && mode.startsWith('nat') && (address || true);
    return {
      link: definition.link,
      internal: definition.internal,
      source: {
        ipv4: source(options.gatewayModeIPv4, options.hostIPv4),
        ipv6: source(options.gatewayModeIPv6, options.hostIPv6),
      },
      trusted: options.trustedInterfaces,
      relayed: !options.interContainer && userlandProxy,
      unprotected: {
        ipv4: options.gatewayModeIPv4 === 'nat-unprotected',
        ipv6: options.gatewayModeIPv6 === 'nat-unprotected',
      },
    };
  }
}
