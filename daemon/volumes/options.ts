import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { invalid } from '../errors.js';

export type VolumeOptions = Readonly<Record<string, string>>;

/** What is mounted on a volume's directory while containers use it. */
export interface VolumeDevice {
  type: string;
  device: string;
  /** The option `o`, split. */
  options: string[];
}

/** Resolves a host name to an address, IPv4 first. */
export type Resolver = (host: string) => Promise<string>;

const known = ['device', 'o', 'size', 'type'];
/** What an option is of no use without. */
const required: Readonly<Record<string, readonly string[]>> = {
  device: ['type'],
  type: ['device'],
  o: ['device', 'type'],
};

/**
 * Checks the options of a volume of the `local` driver.
 * @throws GantryError invalid, with Docker's words
 */
export function validateOptions(name: string, options: VolumeOptions): void {
  const refuse = (problem: string): Error => invalid(`create ${name}: ${problem}`);
  for (const option of Object.keys(options)) {
    if (!known.includes(option)) throw refuse(`invalid option: "${option}"`);
  }
  if (options['size'] !== undefined) throw refuse('quota size requested but no quota support');
  for (const [option, others] of Object.entries(required)) {
    const missing = others.find((other) => options[other] === undefined);
    if (options[option] !== undefined && missing) throw refuse(`missing required option: "${missing}"`);
  }
  const device = deviceOf(options);
  if (!device) return;
  if (device.type === '' && !isBind(device)) throw refuse('missing required option: "type"');
  if (isBind(device) && !device.device.startsWith('/')) {
    throw refuse(`the device of a bind must be an absolute path, not "${device.device}"`);
  }
}

/** What the options ask to be mounted; undefined for a volume that is just a directory. */
export function deviceOf(options: VolumeOptions | null): VolumeDevice | undefined {
  const { type = '', device = '', o = '' } = options ?? {};
  if (type === '' && device === '') return undefined;
  return { type, device, options: o.split(',').filter(Boolean) };
}

const isBind = ({ options }: VolumeDevice): boolean => options.includes('bind') || options.includes('rbind');

/**
 * The device as the kernel takes it: it knows no host names, so the `addr` of a network file system becomes an address, or
 * without one the server in the name of a share, "//server/share".
 * @throws Error when the name cannot be resolved
 */
export async function resolveDevice(volume: VolumeDevice, resolve: Resolver = lookupAddress): Promise<VolumeDevice> {
  const isShare = ['cifs', 'smb3'].includes(volume.type);
  if (!isShare && !['nfs', 'nfs4'].includes(volume.type)) return volume;
  const options = await Promise.all(volume.options.map((option) => resolveOption(option, resolve)));
  const [, server, path = ''] = /^\/\/([^/]+)(\/.*)?$/.exec(volume.device) ?? [];
  if (!isShare || server === undefined || options.some((option) => /^(addr|ip)=/.test(option))) {
    return { ...volume, options };
  }
  return { ...volume, device: `//${await resolveHost(server, resolve)}${path}`, options };
}

async function resolveOption(option: string, resolve: Resolver): Promise<string> {
  const [key, host = ''] = splitOnce(option, '=');
  return key === 'addr' ? `addr=${await resolveHost(host, resolve)}` : option;
}

async function resolveHost(host: string, resolve: Resolver): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return await resolve(host);
  } catch (error) {
    throw new Error(`error resolving passed in network volume address: ${(error as Error).message}`, { cause: error });
  }
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

async function lookupAddress(host: string): Promise<string> {
  return (await lookup(host, { order: 'ipv4first' })).address;
}
