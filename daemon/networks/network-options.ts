import type { SubnetPool } from './subnet-pools.js';

/** What the configuration says about networks. */
export interface NetworkOptions {
  /** Interface of the default network; "none" for no default network at all. */
  bridge: string;
  /** Address of the bridge with its prefix; chosen when empty. */
  bridgeAddress: string;
  bridgeAddressIPv6: string;
  /** Where containers of the default network get addresses from; "" for all of its subnet. */
  fixedCidr: string;
  fixedCidrIPv6: string;
  defaultGateway: string;
  defaultGatewayIPv6: string;
  /** The default network has IPv6. */
  ipv6: boolean;
  interContainer: boolean;
  /** Where ports are published that name no address. */
  hostBinding: string;
  mtu: number;
  table: string;
  masquerade: boolean;
  forward: boolean;
  firewall: boolean;
  firewallIPv6: boolean;
  pools: SubnetPool[];
  /** Options of new networks that do not say otherwise, by driver. */
  defaults: Record<string, Record<string, string>>;
  /** What `host-gateway` stands for; the default bridge's addresses when empty. */
  hostGateways: string[];
  /** Who carries what arrives at a published port. */
  portForwarding: 'auto' | 'netfilter' | 'shim';
  /** The shim serves what netfilter does not: the loopback, and IPv6 for containers without it. */
  userlandProxy: boolean;
  /** Published ports can also be reached at the container's own address. */
  directRouting: boolean;
}
