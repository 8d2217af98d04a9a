import { isIPv4, isIPv6 } from 'node:net';
import type { EndpointSettings } from '../containers/container.js';
import { invalid } from '../errors.js';
import { parseAddress } from './address.js';
import type { Network } from './network.js';

const interfaceNameOption = 'com.docker.network.endpoint.ifname';
const sysctlsOption = 'com.docker.network.endpoint.sysctls';

export interface EndpointSysctl {
  family: 'ipv4' | 'ipv6';
  group: 'conf' | 'neigh';
  name: string;
  value: string;
}

/** What `DriverOpts` of an endpoint says. */
export interface EndpointOptions {
  /** Name of the interface inside; "" for the next free one. */
  interfaceName: string;
  sysctls: EndpointSysctl[];
}

/**
 * Checks the settings of an endpoint in a network.
 * @param prefix what goes before the message: "invalid config for network web: ", or nothing
 * @throws GantryError invalid in Docker's words
 */
export function validateEndpoint(network: Network, settings: EndpointSettings, prefix = ''): void {
  const { MacAddress } = settings;
  if (MacAddress && !isMacAddress(MacAddress)) throw invalid(`${prefix}invalid MAC address ${MacAddress}`);
  const problems = problemsOf(network, settings);
  if (problems.length > 0) {
    const lines = problems.length === 1 ? problems : problems.map((problem) => `* ${problem}`);
    throw invalid(`${prefix}invalid endpoint settings:\n${lines.join('\n')}`);
  }
  parseEndpointOptions(settings, prefix);
}

/** Six pairs of hexadecimal digits that name one station. */
export function isMacAddress(text: string): boolean {
  return /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text) && (parseInt(text.slice(0, 2), 16) & 1) === 0;
}

function problemsOf(network: Network, { IPAMConfig, Aliases, Links }: EndpointSettings): string[] {
  const { IPv4Address = '', IPv6Address = '', LinkLocalIPs } = IPAMConfig ?? {};
  const problems: string[] = [];
  if (IPv4Address && !isIPv4(IPv4Address)) problems.push(`invalid IPv4 address: ${IPv4Address}`);
  if (IPv6Address && !isIPv6(IPv6Address)) problems.push(`invalid IPv6 address: ${IPv6Address}`);
  for (const text of LinkLocalIPs ?? []) {
    if (!parseAddress(text)) problems.push(`invalid link-local IP address: ${text}`);
  }
  if (!network.userDefined && Aliases?.length) {
    problems.push('network-scoped alias is supported only for containers in user defined networks');
  }
  for (const link of Links ?? []) if (!/^[^:]+(:[^:]+)?$/.test(link)) problems.push(`bad format for links: ${link}`);
  if (!IPv4Address && !IPv6Address) return problems;
  if (!network.userDefined) {
    return [...problems, 'user specified IP address is supported on user defined networks only'];
  }
  for (const text of [IPv4Address, IPv6Address]) {
    const address = parseAddress(text);
    if (!address) continue;
    if (!network.record.definition.userSubnets || !network.poolFor(address.family)) {
      problems.push(
        'user specified IP address is supported only when connecting to networks with user configured subnets',
      );
    } else if (!network.poolOf(address)) {
      problems.push(`no configured subnet or ip-range contain the IP address ${text}`);
    }
  }
  return problems;
}

/** @throws GantryError invalid, also for an option that there is none of */
export function parseEndpointOptions({ DriverOpts }: EndpointSettings, prefix = ''): EndpointOptions {
  const options: EndpointOptions = { interfaceName: '', sysctls: [] };
  for (const [name, value] of Object.entries(DriverOpts ?? {})) {
    if (name === interfaceNameOption) {
      if (!/^[^\s/:]{1,15}$/.test(value) || ['.', '..', 'lo'].includes(value)) {
        throw invalid(`${prefix}invalid interface name "${value}" in option "${name}"`);
      }
      options.interfaceName = value;
    } else if (name === sysctlsOption) {
      options.sysctls = value.split(',').map((each) => parseSysctl(each.trim(), prefix));
    } else {
      throw invalid(`${prefix}endpoint option "${name}" is not supported`);
    }
  }
  return options;
}

/**
 * "net.ipv4.conf.IFNAME.log_martians=1", where IFNAME stands for whatever the interface is called; in any case, because
 * `docker run --network` makes small letters of all that it is given.
 */
function parseSysctl(text: string, prefix: string): EndpointSysctl {
  const match = /^net\.(ipv4|ipv6)\.(conf|neigh)\.IFNAME\.([a-z0-9_]+)=(\S+)$/i.exec(text);
  if (!match) {
    throw invalid(
      `${prefix}invalid endpoint settings:\nunrecognised network interface sysctl '${text}'; represent ` +
        `'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4' or 'ipv6', 'Y' 'conf' or 'neigh'`,
    );
  }
  const [family, group, name = ''] = match.slice(1).map((part) => part.toLowerCase());
  return { family: family as 'ipv4', group: group as 'conf', name, value: match[4] ?? '' };
}

const assigned = new Set([
  'NetworkID', 'EndpointID', 'MacAddress', 'Gateway', 'IPAddress', 'IPPrefixLen', 'IPv6Gateway', 'GlobalIPv6Address',
  'GlobalIPv6PrefixLen', 'DNSNames',
]); // prettier-ignore

/** What a request asks for, as it is stored: nothing in it is assigned yet. */
export function requestedSettings(settings: EndpointSettings): EndpointSettings {
  const { MacAddress = '', ...rest } = settings;
  return withoutAssigned({ ...rest, ...(MacAddress && { DesiredMacAddress: MacAddress }) });
}

/** What was asked for, without what is assigned while the container runs. */
export function withoutAssigned(settings: EndpointSettings): EndpointSettings {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !assigned.has(name)));
}
