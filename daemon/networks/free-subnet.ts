import { networkInterfaces } from 'node:os';
import { readFileSync } from 'node:fs';
import { internal } from '../errors.js';
import { overlap, parseCidr, toText, type Subnet } from './subnet.js';

/** Docker's default address pools for bridges: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/20 and on. */
const pools: Subnet[] = [
  ...Array.from({ length: 15 }, (_, index) => parseCidr(`172.${17 + index}.0.0/16`).subnet),
  ...Array.from({ length: 16 }, (_, index) => parseCidr(`192.168.${index * 16}.0/20`).subnet),
];

/** The first pool that no interface or route of this host uses. */
export function findFreeSubnet(except: string): Subnet {
  const used = [...interfaceSubnets(except), ...routedSubnets(except)];
  const free = pools.find((pool) => !used.some((subnet) => overlap(pool, subnet)));
  if (!free) throw internal('could not find an available, non-overlapping IPv4 address pool: set "bip" in daemon.json');
  return free;
}

function interfaceSubnets(except: string): Subnet[] {
  return Object.entries(networkInterfaces())
    .filter(([name]) => name !== except)
    .flatMap(([, addresses]) => addresses ?? [])
    .filter(({ family, cidr }) => family === 'IPv4' && cidr !== null)
    .map(({ cidr }) => toSubnet(cidr!));
}

function toSubnet(cidr: string): Subnet {
  const [address = '', prefix = '32'] = cidr.split('/');
  return parseCidr(`${address}/${Math.max(8, Math.min(30, Number(prefix)))}`).subnet;
}

/** /proc/net/route has addresses and masks as little-endian hexadecimal. */
function routedSubnets(except: string): Subnet[] {
  return readFileSync('/proc/net/route', 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter((fields) => fields.length > 7 && fields[0] !== except && fields[7] !== '00000000')
    .map((fields) => {
      const base = littleEndian(fields[1]!);
      const prefix = littleEndian(fields[7]!).toString(2).replaceAll('0', '').length;
      return toSubnet(`${toText(base)}/${prefix}`);
    });
}

const littleEndian = (hex: string): number => Buffer.from(hex, 'hex').readUInt32LE();
