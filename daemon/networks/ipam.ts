import { forbidden, internal, invalid, notFound } from '../errors.js';
import {
  contains,
  formatAddress,
  formatSubnet,
  hostRange,
  isHostAddress,
  lastOf,
  overlap,
  parseAddress,
  parseCidr,
  type Family,
  type Subnet,
} from './address.js';
import type { IpamConfig, NetworkDefinition } from './definition.js';
import { findFreeSubnet, subnetsOfHost, type SubnetPool } from './subnet-pools.js';

/** `IPAM` of a request. */
export interface IpamRequest {
  Driver?: string;
  Options?: Record<string, string> | null;
  Config?: IpamConfig[] | null;
}

/** Checks what a user asks for, and tells all that is wrong in one message. @throws GantryError invalid */
export function validateIpam(request: IpamRequest): void {
  const { Driver = 'default', Options } = request;
  if (Driver === 'null') throw invalid('ipv4 pool is empty');
  if (Driver !== '' && Driver !== 'default') throw notFound(`plugin "${Driver}" not found`);
  const [option] = Object.keys(Options ?? {});
  if (option !== undefined) throw invalid(`IPAM option "${option}" is not supported: the default driver has none`);
  const problems = (request.Config ?? []).flatMap(problemsOf);
  if (problems.length > 0) {
    const lines = problems.length === 1 ? problems : problems.map((problem) => `* ${problem}`);
    throw invalid(`invalid network config:\n${lines.join('\n')}`);
  }
}

function problemsOf({ Subnet = '', IPRange = '', Gateway = '', AuxiliaryAddresses }: IpamConfig): string[] {
  const parsed = parseCidr(Subnet);
  if (!parsed) return [`invalid subnet ${Subnet}: invalid CIDR block notation`];
  const { subnet } = parsed;
  const problems: string[] = [];
  if (parsed.address.value !== subnet.base) {
    problems.push(`invalid subnet ${Subnet}: it should be ${formatSubnet(subnet)}`);
  }
  if (IPRange !== '') problems.push(...problemsOfRange(IPRange, subnet));
  const inside = (what: string, text: string): void => {
    const address = parseAddress(text);
    if (!address) problems.push(`invalid ${what}: invalid address`);
    else if (address.family !== subnet.family) problems.push(`invalid ${what}: ${otherFamily(subnet)}`);
    else if (!contains(subnet, address)) {
      problems.push(`invalid ${what}: parent subnet ${formatSubnet(subnet)} doesn't contain this address`);
    }
  };
  if (Gateway !== '') inside(`gateway ${Gateway}`, Gateway);
  for (const [name, text] of Object.entries(AuxiliaryAddresses ?? {})) inside(`auxiliary address ${name}`, text);
  return problems;
}

function problemsOfRange(text: string, subnet: Subnet): string[] {
  const parsed = parseCidr(text);
  if (!parsed) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  const { subnet: range, address } = parsed;
  if (range.family !== subnet.family) return [`invalid ip-range ${text}: ${otherFamily(subnet)}`];
  if (range.prefix < subnet.prefix) {
    return [`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${formatSubnet(subnet)}`];
  }
  if (address.value !== range.base) return [`invalid ip-range ${text}: it should be ${formatSubnet(range)}`];
  if (!overlap(range, subnet)) {
    return [`invalid ip-range ${text}: parent subnet ${formatSubnet(subnet)} doesn't contain ip-range`];
  }
  return [];
}

const otherFamily = ({ family }: Subnet): string => `parent subnet is an IPv${family} block`;

type Subnets = NetworkDefinition['subnets'];

/**
 * Turns what was asked for into the subnets of a network: each family that is enabled and has none gets one from a pool.
 * @param taken subnets of the other networks
 * @param unrouted families in which nobody is a gateway, unless the request names one: its address is not taken
 * @throws GantryError forbidden when a subnet overlaps with one of another network; internal for an address given twice
 */
export function allocateSubnets(
  request: IpamRequest,
  families: Family[],
  pools: SubnetPool[],
  taken: Subnet[],
  unrouted: Family[] = [],
): { subnets: Subnets; ipam: IpamConfig[] } {
  const subnets: Subnets = [];
  const ipam: IpamConfig[] = (request.Config ?? []).map((config) => withoutBlanks(config));
  const used = [...taken];
  for (const config of ipam) {
    const subnet = parseCidr(config.Subnet ?? '')!.subnet;
    if (!families.includes(subnet.family)) continue;
    if (used.some((other) => overlap(other, subnet))) {
      throw forbidden('invalid pool request: Pool overlaps with other one on this address space');
    }
    used.push(subnet);
    subnets.push(resolve(config, subnet, !unrouted.includes(subnet.family)));
  }
  for (const family of families) {
    if (subnets.some(({ subnet }) => parseCidr(subnet)?.subnet.family === family)) continue;
    const subnet = findFreeSubnet(pools, family, [...used, ...subnetsOfHost()]);
    if (!subnet) {
      throw invalid('all predefined address pools have been fully subnetted: see "default-address-pools"');
    }
    used.push(subnet);
    const resolved = resolve({ Subnet: formatSubnet(subnet) }, subnet, !unrouted.includes(family));
    subnets.push(resolved);
    ipam.push({ Subnet: resolved.subnet, ...(resolved.gateway && { Gateway: resolved.gateway }) });
  }
  // IPv4 is shown first, whatever the order in which they were asked for.
  const isIPv6 = ({ Subnet = '' }: IpamConfig): number => Number(Subnet.includes(':'));
  return { subnets, ipam: ipam.sort((one, other) => isIPv6(one) - isIPv6(other)) };
}

function withoutBlanks({ Subnet, IPRange, Gateway, AuxiliaryAddresses }: IpamConfig): IpamConfig {
  return {
    ...(Subnet && { Subnet }),
    ...(IPRange && { IPRange }),
    ...(Gateway && { Gateway }),
    ...(AuxiliaryAddresses && Object.keys(AuxiliaryAddresses).length > 0 && { AuxiliaryAddresses }),
  };
}

function resolve(config: IpamConfig, subnet: Subnet, routed: boolean): Subnets[number] {
  const range = parseCidr(config.IPRange ?? '')?.subnet;
  const auxiliary = Object.values(config.AuxiliaryAddresses ?? {}).map((text) => canonical(text));
  const given = config.Gateway ? canonical(config.Gateway) : '';
  if (subnet.family === 6 && subnet.prefix === 128) {
    // Its one address is that of all routers, as in Docker.
    const reason = given ? 'Address already in use' : 'no available addresses on this pool';
    throw internal(`failed to allocate gateway (${given}): ${reason}`);
  }
  refuseUnusable(config, subnet, given);
  return {
    subnet: formatSubnet(subnet),
    range: range ? formatSubnet(range) : '',
    gateway: given || (routed ? firstFree(subnet, range, auxiliary) : ''),
    auxiliary,
  };
}

/** Gateway and auxiliary addresses are of hosts, and of one each. */
function refuseUnusable({ AuxiliaryAddresses }: IpamConfig, subnet: Subnet, gateway: string): void {
  const taken = new Set<string>();
  const take = (what: string, address: string): void => {
    if (!taken.has(address) && isHostAddress(subnet, parseAddress(address)!)) taken.add(address);
    else throw internal(`failed to allocate ${what}: Address already in use`);
  };
  if (gateway) take(`gateway (${gateway})`, gateway);
  for (const [name, text] of Object.entries(AuxiliaryAddresses ?? {})) {
    take(`secondary ip address (${name}:${text})`, canonical(text));
  }
}

/** The first address of the range, or of the subnet, as Docker gives it to the gateway. */
function firstFree(subnet: Subnet, range: Subnet | undefined, auxiliary: string[]): string {
  const hosts = hostRange(subnet);
  let value = range && range.base > hosts.first ? range.base : hosts.first;
  const last = range ? lastOf(range) : hosts.last;
  while (value < last && auxiliary.includes(formatAddress({ family: subnet.family, value }))) value++;
  return formatAddress({ family: subnet.family, value });
}

const canonical = (text: string): string => formatAddress(parseAddress(text)!);
