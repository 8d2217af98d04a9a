import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';

/** Docker's name for the processor, which is Go's; os.machine() gives the kernel's. */
const GO_ARCHITECTURES: Partial<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', ia32: '386' };

export const goArchitecture = GO_ARCHITECTURES[process.arch] ?? process.arch;

/** Name and version of the distribution, from os-release(5). */
export function readOperatingSystem(): { name: string; version: string } {
  const fields = new Map<string, string>();
  for (const line of readText('/etc/os-release').split('\n')) {
    const match = /^([A-Z_]+)=["']?(.*?)["']?$/.exec(line);
    if (match) fields.set(match[1] ?? '', match[2] ?? '');
  }
  return { name: fields.get('PRETTY_NAME') ?? 'Linux', version: fields.get('VERSION_ID') ?? '' };
}

export function forwardsIpv4(): boolean {
  return readText('/proc/sys/net/ipv4/ip_forward').trim() === '1';
}

export function countOpenFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

/** statfs(2)'s magic numbers of the file systems that engines are run on, with the names Docker gives them. */
const FILE_SYSTEMS: Partial<Record<number, string>> = {
  0x0000ef53: 'extfs',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x2fc12fc1: 'zfs',
  0x01021994: 'tmpfs',
  0x794c7630: 'overlayfs',
  0xf2f52010: 'f2fs',
};

/** The file system below a directory. */
export function fileSystemName(path: string): string {
  const { type } = statfsSync(path);
  return FILE_SYSTEMS[type >>> 0] ?? `0x${(type >>> 0).toString(16)}`;
}

/** The same for an engine as long as machine and data root are: a UUID made from both. */
export function engineId(dataRoot: string): string {
  const hash = createHash('sha256')
    .update(`${readText('/etc/machine-id').trim()}\0${dataRoot}`)
    .digest('hex');
  // Version 8 of RFC 9562: the bits are the maker's business.
  return [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    `8${hash.slice(17, 20)}`,
    hash.slice(20, 32),
  ].join('-');
}

/** When this build was made. */
export function buildTime(): string {
  return statSync(import.meta.filename).mtime.toISOString();
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
