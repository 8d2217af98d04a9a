import { readFileSync } from 'node:fs';
import { invalid, unsupported } from '../../errors.js';
import type { HostConfig } from '../container.js';

/** What `SecurityOpt` asks for. */
export interface SecurityOptions {
  noNewPrivileges: boolean;
  /** "default", "unconfined", or the text of a JSON profile. */
  seccomp: string;
  /** systempaths=unconfined: nothing masked, nothing read-only. */
  unconfinedPaths: boolean;
}

/**
 * Reads `--security-opt` values, "key=value" or the old "key:value".
 * @throws GantryError for an option that is malformed or that this host cannot provide
 */
export function parseSecurityOptions(options: readonly string[] | null | undefined): SecurityOptions {
  const result: SecurityOptions = { noNewPrivileges: false, seccomp: 'default', unconfinedPaths: false };
  for (const option of options ?? []) {
    const separator = option.search(/[=:]/);
    const key = separator < 0 ? option : option.slice(0, separator);
    const value = separator < 0 ? '' : option.slice(separator + 1);
    if (key === 'no-new-privileges') result.noNewPrivileges = parseFlag(option, value);
    else if (key === 'seccomp') result.seccomp = parseSeccomp(value);
    else if (key === 'systempaths' && value === 'unconfined') result.unconfinedPaths = true;
    else if ((key === 'apparmor' || key === 'label') && ['unconfined', 'disable'].includes(value)) continue;
    else if (key === 'apparmor' || key === 'label') {
      throw unsupported(`security option "${option}" is not supported: Gantry has no AppArmor or SELinux integration`);
    } else throw invalid(`invalid --security-opt 2: "${option}"`);
  }
  return result;
}

function parseFlag(option: string, value: string): boolean {
  if (value === '' || value === 'true') return true;
  if (value === 'false') return false;
  throw invalid(`invalid --security-opt: "${option}": use true or false`);
}

function parseSeccomp(value: string): string {
  if (value === 'unconfined' || value === 'builtin') return value === 'builtin' ? 'default' : value;
  try {
    JSON.parse(value);
  } catch (error) {
    throw invalid(`decoding seccomp profile failed: ${(error as Error).message}`, error);
  }
  return value;
}

/** The default profile, or the file that `--seccomp-profile` names. @throws GantryError when it cannot be read */
export function readSeccompProfile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid(`opening seccomp profile (${path}) failed: ${(error as Error).message}`, error);
  }
}

/** Paths hidden from an unprivileged container, as Docker has them. */
export const defaultMaskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];

export const defaultReadonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Masked and read-only paths with the user's overrides and systempaths=unconfined applied. */
export function protectedPaths(hostConfig: HostConfig): { masked: string[]; readonly: string[] } {
  const off = hostConfig.Privileged || parseSecurityOptions(hostConfig.SecurityOpt).unconfinedPaths;
  return {
    masked: off ? [] : (hostConfig.MaskedPaths ?? defaultMaskedPaths),
    readonly: off ? [] : (hostConfig.ReadonlyPaths ?? defaultReadonlyPaths),
  };
}
