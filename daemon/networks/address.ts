import { isIPv4, isIPv6 } from 'node:net';

export type Family = 4 | 6;

/** An IPv4 or IPv6 address; its value is of 32 or 128 bits. */
export interface Address {
  family: Family;
  value: bigint;
}

export interface Subnet {
  family: Family;
  base: bigint;
  prefix: number;
}

const width = { 4: 32, 6: 128 } as const;

/** undefined for what is not an address; zones are none of ours. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) {
    return { family: 4, value: text.split('.').reduce((value, part) => value * 256n + BigInt(part), 0n) };
  }
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return { family: 6, value: groupsOf(text).reduce((value, group) => value * 65536n + BigInt(group), 0n) };
}

function groupsOf(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const read = (part: string): number[] => (part === '' ? [] : part.split(':').flatMap(readGroup));
  const first = read(head);
  if (tail === undefined) return first;
  const last = read(tail);
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

/** The last part may be an IPv4 address. */
function readGroup(part: string): number[] {
  if (!part.includes('.')) return [parseInt(part, 16)];
  const value = Number(parseAddress(part)?.value ?? 0n);
  return [Math.floor(value / 65536), value % 65536];
}

/** The canonical text of an address (RFC 5952 for IPv6), which is also how SQLite has it. */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(112 - index * 16)) & 65535n));
  const { start, length } = longestZeros(groups);
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeros(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  return best;
}

/** "172.18.0.1/16": the subnet and the address written in it; undefined for anything else. */
export function parseCidr(text: string): { subnet: Subnet; address: Address } | undefined {
  const [host = '', length = '', ...rest] = text.split('/');
  const address = parseAddress(host);
  const prefix = Number(length);
  if (!address || rest.length > 0 || !/^\d{1,3}$/.test(length) || prefix > width[address.family]) return undefined;
  return { subnet: subnetOf(address, prefix), address };
}

/** The subnet of so many bits that an address is in. */
export function subnetOf({ family, value }: Address, prefix: number): Subnet {
  return { family, base: (value / sizeOf(family, prefix)) * sizeOf(family, prefix), prefix };
}

/** How many addresses a subnet of this prefix has. */
export function sizeOf(family: Family, prefix: number): bigint {
  return 1n << BigInt(width[family] - prefix);
}

export const formatSubnet = ({ family, base, prefix }: Subnet): string =>
  `${formatAddress({ family, value: base })}/${prefix}`;

/** The last address of a subnet. */
export const lastOf = ({ family, base, prefix }: Subnet): bigint => base + sizeOf(family, prefix) - 1n;

/** First and last address that a host can have: IPv4 keeps the two ends for itself, IPv6 the first (RFC 4291). */
export function hostRange(subnet: Subnet): { first: bigint; last: bigint } {
  const { family, base, prefix } = subnet;
  if (width[family] - prefix < 2) return { first: base, last: lastOf(subnet) };
  return { first: base + 1n, last: family === 4 ? lastOf(subnet) - 1n : lastOf(subnet) };
}

/** Whether a host can have it. */
export function isHostAddress(subnet: Subnet, { family, value }: Address): boolean {
  const { first, last } = hostRange(subnet);
  return family === subnet.family && value >= first && value <= last;
}

export function contains(subnet: Subnet, address: Address): boolean {
  return subnet.family === address.family && address.value >= subnet.base && address.value <= lastOf(subnet);
}

export function overlap(one: Subnet, other: Subnet): boolean {
  return one.family === other.family && one.base <= lastOf(other) && other.base <= lastOf(one);
}
