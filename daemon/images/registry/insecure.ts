import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** As with dockerd, what is on this machine itself need not prove who it is. */
const alwaysInsecure = ['127.0.0.0/8', '::1/128'];

/**
 * Whether a registry may be used without a valid certificate, and over HTTP where it has no TLS.
 *
 * @param host "host", "host:port" or "[address]:port"
 * @param configured names as users write them, and CIDRs
 */
export async function isInsecure(host: string, configured: readonly string[]): Promise<boolean> {
  if (configured.includes(host)) return true;
  const networks = networksOf([...alwaysInsecure, ...configured.filter((entry) => entry.includes('/'))]);
  const name = hostName(host);
  const family = isIP(name);
  if (family) return networks.check(name, family === 4 ? 'ipv4' : 'ipv6');
  const addresses = await lookup(name, { all: true }).catch(() => []);
  return addresses.some((found) => networks.check(found.address, found.family === 4 ? 'ipv4' : 'ipv6'));
}

/** A host without its port and brackets. */
export function hostName(host: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(host)?.[1];
  return bracketed ?? host.replace(/:\d+$/, '');
}

/** The networks among `entries`, each an address with a prefix. */
export function networksOf(entries: readonly string[]): BlockList {
  const networks = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/');
    const family = isIP(address);
    if (family) networks.addSubnet(address, Number(prefix), family === 4 ? 'ipv4' : 'ipv6');
  }
  return networks;
}
