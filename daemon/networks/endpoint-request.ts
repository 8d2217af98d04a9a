import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Container, EndpointSettings } from '../containers/container.js';
import type { EndpointRequest } from '../runtime/addon.js';
import { formatAddress, type Address } from './address.js';
import type { EndpointOptions } from './endpoint-settings.js';
import type { Network } from './network.js';
import { portRequests } from './port-requests.js';

/** With it, netfilter also sees what stays on one bridge, and published ports need frames to turn around there. */
const bridgeNetfilter = readOptional('/proc/sys/net/bridge/bridge-nf-call-iptables').trim() === '1';

/** Makes the kernel tell the neighbours of a MAC address of the user's own choice. */
const announcements: EndpointRequest['sysctls'] = [{ family: 'ipv4', group: 'conf', name: 'arp_notify', value: '1' }];

/** What the kernel has to be asked for to give a container its interface in a network. */
export function endpointRequest(
  container: Container,
  network: Network,
  interfaceName: string,
  endpoint: EndpointSettings,
  options: EndpointOptions,
  addresses: { address: Address; prefix: number }[],
): EndpointRequest {
  return {
    kind: network.record.driver as EndpointRequest['kind'],
    parent: network.record.definition.link,
    ...(network.sharedLink && { mode: network.sharedLink.mode, flag: network.sharedLink.flag }),
    ...(network.bridge && { hostInterface: `veth${randomBytes(4).toString('hex').slice(0, 7)}` }),
    containerInterface: interfaceName,
    macAddress: endpoint.MacAddress ?? '',
    mtu: network.mtu,
    addresses: [
      ...addresses.map(({ address, prefix }) => `${formatAddress(address)}/${prefix}`),
      ...(endpoint.IPAMConfig?.LinkLocalIPs ?? []).map((text) => `${text}/${text.includes(':') ? 64 : 16}`),
    ],
    isolated: network.bridge?.interContainer === false,
    hairpin: bridgeNetfilter && portRequests(container.hostConfig, container.config).length > 0,
    sysctls: [...options.sysctls, ...(endpoint.DesiredMacAddress ? announcements : [])],
  };
}

/**
 * The MAC address that goes with an address: whoever gets the one next has the other, too, and nobody's neighbour table is
 * out of date.
 */
export function derivedMacAddress(address: Address): string {
  const bytes =
    address.family === 4
      ? [24n, 16n, 8n, 0n].map((shift) => Number((address.value >> shift) & 255n))
      : [...createHash('sha256').update(formatAddress(address)).digest().subarray(0, 4)];
  return ['02', '42', ...bytes.map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** The next of eth0, eth1 and so on that the container does not have. */
export function nextInterface({ state }: Container, prefix: string): string {
  const taken = Object.values(state.interfaces ?? {}).map(({ name }) => name);
  let number = 0;
  while (taken.includes(`${prefix}${number}`)) number++;
  return `${prefix}${number}`;
}

/** What the container is called in a user-defined network. */
export function dnsNames({ name, id, config }: Container, { Aliases }: EndpointSettings): string[] {
  const shortId = id.slice(0, 12);
  const hostname = config.Hostname && config.Hostname !== shortId ? [config.Hostname] : [];
  return [...new Set([name, ...(Aliases ?? []), shortId, ...hostname])];
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
