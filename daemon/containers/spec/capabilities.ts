import { invalid } from '../../errors.js';
import type { HostConfig } from '../container.js';

/** What Docker grants a container by default. */
const defaults = [
  'CHOWN', 'DAC_OVERRIDE', 'FSETID', 'FOWNER', 'MKNOD', 'NET_RAW', 'SETGID', 'SETUID', 'SETFCAP', 'SETPCAP',
  'NET_BIND_SERVICE', 'SYS_CHROOT', 'KILL', 'AUDIT_WRITE',
].map((name) => `CAP_${name}`); // prettier-ignore

/** Every capability of capabilities(7), Linux 6.x. */
export const allCapabilities = [
  'CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP',
  'LINUX_IMMUTABLE', 'NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_ADMIN', 'NET_RAW', 'IPC_LOCK', 'IPC_OWNER', 'SYS_MODULE',
  'SYS_RAWIO', 'SYS_CHROOT', 'SYS_PTRACE', 'SYS_PACCT', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE', 'SYS_RESOURCE', 'SYS_TIME',
  'SYS_TTY_CONFIG', 'MKNOD', 'LEASE', 'AUDIT_WRITE', 'AUDIT_CONTROL', 'SETFCAP', 'MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG',
  'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ', 'PERFMON', 'BPF', 'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`); // prettier-ignore

/**
 * The capabilities of a container: Docker's defaults with CapAdd and CapDrop, where "ALL" means every one.
 * @throws GantryError invalid for a name the kernel does not know
 */
export function containerCapabilities(
  hostConfig: HostConfig,
  available: readonly string[] = allCapabilities,
): string[] {
  if (hostConfig.Privileged) return [...available];
  const added = normalize(hostConfig.CapAdd, 'CapAdd');
  const dropped = normalize(hostConfig.CapDrop, 'CapDrop');
  const base = added.has('ALL') ? available : dropped.has('ALL') ? [] : defaults;
  const granted = new Set(base.filter((name) => !dropped.has(name)));
  for (const name of added) if (name !== 'ALL' && (added.has('ALL') ? !dropped.has(name) : true)) granted.add(name);
  return available.filter((name) => granted.has(name));
}

/** Upper case with the CAP_ prefix, as Docker accepts "net_admin", "NET_ADMIN" and "CAP_NET_ADMIN". */
function normalize(names: readonly string[] | null | undefined, field: string): Set<string> {
  const normalized = new Set<string>();
  for (const name of names ?? []) {
    const upper = name.toUpperCase();
    const full = upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (full !== 'ALL' && !allCapabilities.includes(full)) {
      throw invalid(`invalid ${field}: unknown capability: "${name}"`);
    }
    normalized.add(full);
  }
  return normalized;
}
