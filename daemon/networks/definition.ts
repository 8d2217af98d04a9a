import { internal } from '../errors.js';
import type { NetworkRecord } from '../store/networks.js';
import { parseAddress, parseCidr, type Subnet } from './address.js';

/** One entry of `IPAM.Config`, as it is asked for and shown. */
export interface IpamConfig {
  Subnet?: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

/** What SQLite keeps about a network besides its name; everything is text, as the API has it. */
export interface NetworkDefinition {
  enableIPv4: boolean;
  enableIPv6: boolean;
  internal: boolean;
  attachable: boolean;
  configOnly: boolean;
  /** Name of the network that the configuration is from; "" for none. */
  configFrom: string;
  ipamOptions: Record<string, string> | null;
  /** As shown: what the user gave, or what was chosen. */
  ipam: IpamConfig[];
  /** In force: each with its gateway, "" for none. */
  subnets: { subnet: string; range: string; gateway: string; auxiliary: string[] }[];
  options: Record<string, string>;
  labels: Record<string, string>;
  /** Name of the bridge, or of the interface that a macvlan or ipvlan network shares; "" where there is none. */
  link: string;
  /** That interface was made for this network, and goes with it. */
  ownsLink: boolean;
  /** A subnet was given by the user, and with it the right to choose addresses. */
  userSubnets: boolean;
  /** The bridge's own addresses where they are not the gateways. */
  hostAddresses?: Partial<Record<4 | 6, string>>;
}

/** A subnet of a network in the form that is calculated with. */
export interface NetworkSubnet {
  subnet: Subnet;
  range: Subnet | undefined;
  gateway: bigint | undefined;
  auxiliary: bigint[];
}

/** The subnets of a record, which were checked before it was stored. */
export function subnetsOf({ name, definition }: NetworkRecord): NetworkSubnet[] {
  return definition.subnets.map(({ subnet, range, gateway, auxiliary }) => {
    const parsed = parseCidr(subnet)?.subnet;
    if (!parsed) throw internal(`the record of network ${name} has the subnet ${subnet}`);
    return {
      subnet: parsed,
      range: parseCidr(range)?.subnet,
      gateway: parseAddress(gateway)?.value,
      auxiliary: auxiliary.flatMap((address) => parseAddress(address)?.value ?? []),
    };
  });
}

/** A definition in which nothing is asked for. */
export function blankDefinition(): NetworkDefinition {
  return {
    enableIPv4: true,
    enableIPv6: false,
    internal: false,
    attachable: false,
    configOnly: false,
    configFrom: '',
    ipamOptions: null,
    ipam: [],
    subnets: [],
    options: {},
    labels: {},
    link: '',
    ownsLink: false,
    userSubnets: false,
  };
}
