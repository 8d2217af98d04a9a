import { isIPv4 } from 'node:net';
import { invalid } from '../errors.js';

/** An IPv4 network; addresses are 32-bit numbers. */
export interface Subnet {
  base: number;
  prefix: number;
}

/** "172.17.0.1/16": the subnet and the address written in it. @throws GantryError invalid */
export function parseCidr(text: string): { subnet: Subnet; address: number } {
  const [host = '', length = ''] = text.split('/');
  const prefix = Number(length);
  if (!isIPv4(host) || !/^\d{1,2}$/.test(length) || prefix > 30 || prefix < 8) {
    throw invalid(`invalid CIDR address: ${text}: expected an IPv4 address and a prefix of 8 to 30 bits`);
  }
  const address = toNumber(host);
  return { subnet: { base: (address & maskOf(prefix)) >>> 0, prefix }, address };
}

export const formatSubnet = ({ base, prefix }: Subnet): string => `${toText(base)}/${prefix}`;

export function toNumber(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}

export function toText(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** First and last address that a host can have. */
export function hostRange({ base, prefix }: Subnet): { first: number; last: number } {
  return { first: base + 1, last: base + 2 ** (32 - prefix) - 2 };
}

export function contains(subnet: Subnet, address: number): boolean {
  return (address & maskOf(subnet.prefix)) >>> 0 === subnet.base;
}

export function overlap(one: Subnet, other: Subnet): boolean {
  const shorter = Math.min(one.prefix, other.prefix);
  return (one.base & maskOf(shorter)) >>> 0 === (other.base & maskOf(shorter)) >>> 0;
}

const maskOf = (prefix: number): number => (0xffffffff << (32 - prefix)) >>> 0;
