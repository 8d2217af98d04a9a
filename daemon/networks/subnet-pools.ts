import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { lastOf, overlap, parseCidr, sizeOf, subnetOf, type Family, type Subnet } from './address.js';

/** Addresses that networks without a subnet of their own take theirs from, in pieces of `size` bits of prefix. */
export interface SubnetPool {
  base: string;
  size: number;
}

/** Docker's: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/20 and on. */
const defaultPools: SubnetPool[] = [
  ...Array.from({ length: 15 }, (_, index) => ({ base: `172.${17 + index}.0.0/16`, size: 16 })),
  { base: '192.168.0.0/16', size: 20 },
];

/**
 * The pools of an engine: those configured, or the default ones, and a unique local prefix (RFC 4193) of its own for
 * IPv6 unless one is configured.
 * @param identity what tells this engine from others
 */
export function subnetPools(configured: SubnetPool[], identity: string): SubnetPool[] {
  const pools = configured.length > 0 ? [...configured] : [...defaultPools];
  if (!pools.some(({ base }) => base.includes(':'))) pools.push({ base: uniqueLocalPrefix(identity), size: 64 });
  return pools;
}

function uniqueLocalPrefix(identity: string): string {
  const machine = readOptional('/etc/machine-id');
  const hex = createHash('sha256').update(`${machine}\0${identity}`).digest('hex');
  return `fd${hex.slice(0, 2)}:${hex.slice(2, 6)}:${hex.slice(6, 10)}::/48`;
}

/** The first piece of a pool that is not in use; undefined when there is none. */
export function findFreeSubnet(pools: SubnetPool[], family: Family, used: Subnet[]): Subnet | undefined {
  for (const { base, size } of pools) {
    const pool = parseCidr(base)?.subnet;
    if (pool?.family !== family) continue;
    let candidate = subnetOf({ family, value: pool.base }, size);
    while (candidate.base <= lastOf(pool)) {
      const inTheWay = used.find((subnet) => overlap(candidate, subnet));
      if (!inTheWay) return candidate;
      // Past all of what is in the way: it may be larger than a piece.
      const next = lastOf(inTheWay) > lastOf(candidate) ? lastOf(inTheWay) : lastOf(candidate);
      candidate = subnetOf({ family, value: next + sizeOf(family, size) }, size);
    }
  }
  return undefined;
}

/** What interfaces and routes of this host use, but for the default routes. */
export function subnetsOfHost(exceptInterface?: string): Subnet[] {
  return [...interfaceSubnets(exceptInterface), ...routedSubnets(exceptInterface)];
}

function interfaceSubnets(except: string | undefined): Subnet[] {
  return Object.entries(networkInterfaces())
    .filter(([name]) => name !== except)
    .flatMap(([, addresses]) => addresses ?? [])
    .flatMap(({ cidr }) => (cidr === null ? [] : (parseCidr(cidr)?.subnet ?? [])));
}

/** /proc/net/route has addresses and masks as little-endian hexadecimal. */
function routedSubnets(except: string | undefined): Subnet[] {
  return readOptional('/proc/net/route')
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter((fields) => fields.length > 7 && fields[0] !== except && fields[7] !== '00000000')
    .map((fields) => {
      const prefix = littleEndian(fields[7]!).toString(2).replaceAll('0', '').length;
      return subnetOf({ family: 4, value: BigInt(littleEndian(fields[1]!)) }, prefix);
    });
}

const littleEndian = (hex: string): number => Buffer.from(hex, 'hex').readUInt32LE();

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
