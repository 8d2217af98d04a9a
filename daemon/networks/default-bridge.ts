import { internal, invalid } from '../errors.js';
import {
  contains,
  formatAddress,
  formatSubnet,
  hostRange,
  parseAddress,
  parseCidr,
  type Family,
  type Subnet,
} from './address.js';
import { bridgeOptionNames } from './bridge-options.js';
import { blankDefinition, type NetworkDefinition } from './definition.js';
import type { NetworkOptions } from './network-options.js';
import { findFreeSubnet, subnetsOfHost, type SubnetPool } from './subnet-pools.js';

/**
 * The default network as the configuration wants it.
 * @param stored what it was: a subnet that was chosen once is kept
 * @throws GantryError for a configuration that contradicts itself, or when no subnet is free
 */
export function defaultBridge(
  stored: NetworkDefinition,
  options: NetworkOptions,
  pools: SubnetPool[],
  taken: Subnet[],
): NetworkDefinition {
  const definition: NetworkDefinition = {
    ...blankDefinition(),
    enableIPv6: options.ipv6,
    link: options.bridge,
    options: {
      [bridgeOptionNames.isDefault]: 'true',
      [bridgeOptionNames.interContainer]: String(options.interContainer),
      [bridgeOptionNames.masquerade]: String(options.masquerade),
      [bridgeOptionNames.hostBinding]: options.hostBinding || '0.0.0.0',
      [bridgeOptionNames.name]: options.bridge,
      [bridgeOptionNames.mtu]: String(options.mtu),
    },
  };
  const previous = (family: Family): string => {
    const subnet = stored.subnets.find((each) => parseCidr(each.subnet)?.subnet.family === family);
    const host = stored.hostAddresses?.[family] ?? subnet?.gateway;
    return subnet && host ? `${host}/${subnet.subnet.split('/')[1]}` : '';
  };
  const add = (family: Family, configured: string, range: string, gateway: string): void => {
    const fromRange = !configured && range ? firstAddress(parseCidr(range)!.subnet) : '';
    const chosen = configured || fromRange || previous(family) || choose(family, pools, taken, options.bridge);
    addSubnet(definition, chosen, range, gateway);
  };
  add(4, options.bridgeAddress, options.fixedCidr, options.defaultGateway);
  if (options.ipv6) add(6, options.bridgeAddressIPv6, options.fixedCidrIPv6, options.defaultGatewayIPv6);
  return definition;
}

function choose(family: Family, pools: SubnetPool[], taken: Subnet[], bridge: string): string {
  const subnet = findFreeSubnet(pools, family, [...taken, ...subnetsOfHost(bridge)]);
  if (subnet) return firstAddress(subnet);
  const option = family === 4 ? 'bip' : 'bip6';
  throw internal(
    `could not find an available, non-overlapping IPv${family} address pool: set "${option}" in daemon.json`,
  );
}

const firstAddress = (subnet: Subnet): string =>
  `${formatAddress({ family: subnet.family, value: hostRange(subnet).first })}/${subnet.prefix}`;

/** @param cidr the bridge's address with its prefix */
function addSubnet(definition: NetworkDefinition, cidr: string, range: string, gateway: string): void {
  const { subnet, address } = parseCidr(cidr)!;
  const { family } = subnet;
  const host = formatAddress(address);
  const router = gateway ? parseAddress(gateway) : address;
  if (!router || !contains(subnet, router)) {
    throw invalid(`the default gateway ${gateway} is not in the subnet of the default bridge, ${formatSubnet(subnet)}`);
  }
  const inside = range ? parseCidr(range)?.subnet : undefined;
  if (inside && (inside.prefix < subnet.prefix || !contains(subnet, { family, value: inside.base }))) {
    throw invalid(`fixed-cidr ${range} is not in the subnet of the default bridge, ${formatSubnet(subnet)}`);
  }
  const shown = formatAddress(router);
  definition.subnets.push({
    subnet: formatSubnet(subnet),
    range: inside ? formatSubnet(inside) : '',
    gateway: shown,
    auxiliary: shown === host ? [] : [host],
  });
  if (shown !== host) definition.hostAddresses = { ...definition.hostAddresses, [family]: host };
  definition.ipam.push({
    Subnet: formatSubnet(subnet),
    ...(inside && { IPRange: formatSubnet(inside) }),
    Gateway: shown,
  });
}
