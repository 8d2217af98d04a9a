import { isIP, isIPv4 } from 'node:net';
import path from 'node:path';
import { parseCidr } from '../networks/address.js';
import type { SubnetPool } from '../networks/subnet-pools.js';

/** A default resource limit, in the shape that `HostConfig.Ulimits` has. -1 means unlimited. */
export interface Ulimit {
  Name: string;
  Soft: number;
  Hard: number;
}

/** An OCI runtime that `HostConfig.Runtime` may name. */
export interface Runtime {
  path: string;
  runtimeArgs: string[];
}

/** The runtime built into Gantry. */
export const BUILT_IN_RUNTIME = 'gantry';

const ULIMIT_NAMES = new Set(
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' '),
);

/** Made absolute against the working directory, as dockerd does with its own. */
export function absolutePath(value: string): string {
  if (value === '') throw new Error('must not be empty');
  return path.resolve(value);
}

/** @returns bytes for "64m", "1.5 GiB", "512kb" or a plain number; the units are powers of 1024 */
export function byteSize(value: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(value.trim());
  if (!match) throw new Error(`invalid size: '${value}'`);
  const power = ['', 'k', 'm', 'g', 't', 'p'].indexOf((match[2] ?? '').toLowerCase());
  const size = Math.floor(Number(match[1]) * 1024 ** power);
  if (!Number.isSafeInteger(size) || size <= 0) throw new Error(`invalid size: '${value}'`);
  return size;
}

/** name=soft[:hard] */
export function ulimitFlag(value: string): [string, Ulimit] {
  const match = /^([^=]+)=(-?\d+)(?::(-?\d+))?$/.exec(value);
  if (!match) throw new Error(`invalid ulimit argument: ${value}, expected name=soft[:hard]`);
  const [, name = '', soft, hard = soft] = match;
  return [name, checkUlimit({ Name: name, Soft: Number(soft), Hard: Number(hard) })];
}

export function checkUlimit(ulimit: Ulimit): Ulimit {
  if (!ULIMIT_NAMES.has(ulimit.Name)) throw new Error(`invalid ulimit type: ${ulimit.Name}`);
  const limits = [ulimit.Soft, ulimit.Hard].map((limit) => (limit === -1 ? Infinity : limit));
  const [soft = 0, hard = 0] = limits;
  if (limits.some((limit) => limit < 0 || (limit !== Infinity && !Number.isSafeInteger(limit))))
    throw new Error(`invalid ulimit ${ulimit.Name}: limits are whole numbers, or -1 for unlimited`);
  if (soft > hard)
    throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${ulimit.Soft} > ${ulimit.Hard}`);
  return ulimit;
}

/** name=path */
export function runtimeFlag(value: string): [string, Runtime] {
  const split = value.indexOf('=');
  if (split <= 0) throw new Error(`invalid runtime argument: ${value}, expected name=path`);
  const name = value.slice(0, split);
  return [name, checkRuntime(name, { path: value.slice(split + 1), runtimeArgs: [] })];
}

export function checkRuntime(name: string, runtime: Runtime): Runtime {
  if (name === BUILT_IN_RUNTIME) throw new Error(`runtime name '${name}' is reserved`);
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) throw new Error(`invalid runtime name '${name}'`);
  if (!path.isAbsolute(runtime.path))
    throw new Error(`runtime '${name}': the path must be absolute, got '${runtime.path}'`);
  return runtime;
}

export function ipAddress(value: string): string {
  if (isIP(value) === 0) throw new Error(`not an IP address: ${value}`);
  return value;
}

/** An IPv4 address of a host with its prefix, "172.30.0.1/16"; empty leaves the choice to the engine. */
export function bridgeAddress(value: string): string {
  if (value === '') return value;
  const [address = '', prefix = '', ...rest] = value.split('/');
  if (!isIPv4(address) || !/^\d{1,2}$/.test(prefix) || rest.length > 0)
    throw new Error(`invalid CIDR address: ${value}`);
  const length = Number(prefix);
  if (length < 1 || length > 30) throw new Error(`invalid CIDR address: ${value}, the prefix must be 1 to 30`);
  const number = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const hostPart = number % 2 ** (32 - length);
  if (hostPart === 0 || hostPart === 2 ** (32 - length) - 1)
    throw new Error(`${value} is the network's own or its broadcast address, not one a bridge can have`);
  return value;
}

export function ipv4Address(value: string): string {
  if (!isIPv4(value)) throw new Error(`not an IPv4 address: ${value}`);
  return value;
}

/** An address of this family, or nothing. */
export const optionalAddress =
  (family: 4 | 6) =>
  (value: string): string => {
    if (value !== '' && isIP(value) !== family) throw new Error(`not an IPv${family} address: ${value}`);
    return value;
  };

/** A subnet of this family, "10.1.2.0/24", or nothing. */
export const subnet =
  (family: 4 | 6) =>
  (value: string): string => {
    const parsed = parseCidr(value);
    if (value !== '' && (parsed?.subnet.family !== family || parsed.address.value !== parsed.subnet.base))
      throw new Error(`invalid IPv${family} subnet: ${value}`);
    return value;
  };

/** An IPv6 address of a host with its prefix, "fd00:1::1/64", or nothing. */
export function bridgeAddressIPv6(value: string): string {
  const parsed = parseCidr(value);
  if (value !== '' && (parsed?.subnet.family !== 6 || parsed.address.value === parsed.subnet.base))
    throw new Error(`invalid IPv6 address of a bridge: ${value}, expected one such as fd00:1::1/64`);
  return value;
}

/** base=10.10.0.0/16,size=24 */
export function addressPoolFlag(value: string): SubnetPool {
  const match = /^base=([^,]+),size=(\d+)$/.exec(value) ?? /^size=(\d+),base=([^,]+)$/.exec(value);
  if (!match) throw new Error(`invalid default address pool '${value}', expected base=SUBNET,size=BITS`);
  const [, one = '', other = ''] = match;
  return value.startsWith('base') ? addressPool(one, Number(other)) : addressPool(other, Number(one));
}

export function addressPool(base: string, size: number): SubnetPool {
  const parsed = parseCidr(base);
  if (!parsed || parsed.address.value !== parsed.subnet.base) throw new Error(`invalid base pool: ${base}`);
  const longest = parsed.subnet.family === 4 ? 30 : 126;
  if (!Number.isInteger(size) || size < parsed.subnet.prefix || size > longest)
    throw new Error(`the size of the pool ${base} must be ${parsed.subnet.prefix} to ${longest}, not ${size}`);
  return { base, size };
}

/** IFNAMSIZ is 16 with the NUL; the kernel refuses "/", ":" and white space. */
export function interfaceName(value: string): string {
  if (!/^[^\s/:]{1,15}$/.test(value) || value === '.' || value === '..')
    throw new Error(`invalid interface name '${value}'`);
  return value;
}

/** A path below the root of every cgroup hierarchy. */
export function cgroupPath(value: string): string {
  if (value.split('/').includes('..')) throw new Error(`'${value}' must not contain '..'`);
  const absolute = path.posix.join('/', value).replace(/(?<=.)\/$/, '');
  if (absolute === '/') throw new Error('containers cannot live in the root cgroup');
  return absolute;
}

export function nftablesTableName(value: string): string {
  if (value !== '' && !/^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/.test(value)) throw new Error(`invalid table name '${value}'`);
  return value;
}

export function label(value: string): string {
  if (value.indexOf('=') <= 0) throw new Error(`bad attribute format: ${value}`);
  return value;
}

export function domain(value: string): string {
  if (value === '.') return value;
  if (value.length > 255 || !/^(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?)+$/.test(value))
    throw new Error(`${value} is not a valid domain`);
  return value;
}

export function resolverOption(value: string): string {
  if (!/^\S+$/.test(value)) throw new Error(`invalid resolver option '${value}'`);
  return value;
}

/** `default`, or user[:group] by name or number. */
export function remappedUser(value: string): string {
  if (value !== '' && !/^[a-z0-9_][a-z0-9_.-]*(?::[a-z0-9_][a-z0-9_.-]*)?$/i.test(value))
    throw new Error(`invalid userns-remap setting '${value}', expected "default" or user[:group]`);
  return value;
}

/** `builtin`, `unconfined`, or a file. */
export function seccompProfile(value: string): string {
  if (value === '') return 'builtin';
  return value === 'builtin' || value === 'unconfined' ? value : path.resolve(value);
}

/** dockerd's only execution option that makes a difference here. */
export function executionOption(value: string): string {
  if (value === 'native.cgroupdriver=cgroupfs') return value;
  if (value.startsWith('native.cgroupdriver='))
    throw new Error(`${value} is not supported: Gantry manages cgroups itself (cgroupfs)`);
  throw new Error(`unknown exec-opt '${value}', only native.cgroupdriver=cgroupfs is supported`);
}

/** A mirror is a whole registry: there is no place for a path, and credentials belong into `docker login`. */
export function registryMirror(value: string): string {
  const url = parseUrl(value.trim(), `invalid mirror: ${JSON.stringify(value)}`);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new Error(`invalid mirror: unsupported scheme "${url.protocol.slice(0, -1)}" in "${value}"`);
  if ((url.pathname !== '/' && url.pathname !== '') || url.search || url.hash)
    throw new Error(`invalid mirror: path, query, or fragment at end of the URI "${value}"`);
  if (url.username || url.password) throw new Error('invalid mirror: username/password not allowed in URI');
  return `${url.protocol}//${url.host}/`;
}

/** "host", "host:5000" or "10.0.0.0/8" */
export function insecureRegistry(value: string): string {
  const text = value.trim();
  if (/^https?:\/\//i.test(text)) throw new Error(`insecure registry ${text} should not contain '://'`);
  const [address = '', prefix] = text.split('/');
  if (prefix !== undefined) {
    const bits = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1;
    if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) throw new Error(`invalid CIDR address: ${text}`);
    return text;
  }
  if (!/^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)(?::\d{1,5})?$/.test(text))
    throw new Error(`insecure registry ${JSON.stringify(text)} is not valid: use host, host:port or a CIDR`);
  return text;
}

/** A proxy for registries; "" for none. */
export function proxyUrl(value: string): string {
  if (value === '') return value;
  const url = parseUrl(/:\/\//.test(value) ? value : `http://${value}`, 'invalid proxy URL');
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new Error(`invalid proxy URL: ${url.protocol.slice(0, -1)} is not supported, http and https are`);
  return url.href;
}

/** An entry of the key `proxies`. */
export function proxyEntry(name: string, value: unknown): string {
  if (typeof value !== 'string') throw new Error(`${name} must be a string`);
  if (name === 'no-proxy') return value;
  if (name === 'http-proxy' || name === 'https-proxy') return proxyUrl(value);
  throw new Error(`unknown field ${name}`);
}

function parseUrl(value: string, message: string): URL {
  try {
    return new URL(value);
  } catch (cause) {
    throw new Error(message, { cause });
  }
}
