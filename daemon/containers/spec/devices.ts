import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from '../../errors.js';
import type { HostConfig } from '../container.js';
import type { OciDevice, OciDeviceRule } from './oci.js';

/** mknod of anything is allowed, use only of these: null, zero, full, random, urandom, tty, console, ptmx, tun, pts. */
const defaultRules: OciDeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...[
    [1, 3],
    [1, 5],
    [1, 7],
    [1, 8],
    [1, 9],
    [5, 0],
    [5, 1],
    [5, 2],
    [10, 200],
  ].map(([major, minor]) => ({ allow: true, type: 'c', major: major!, minor: minor!, access: 'rwm' })),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
];

const modeTypeMask = 0o170000;
const characterDevice = 0o020000;
const blockDevice = 0o060000;

/** The devices of a container and the cgroup rules that go with them. */
export function containerDevices(hostConfig: HostConfig): { devices: OciDevice[]; rules: OciDeviceRule[] } {
  if (hostConfig.Privileged) {
    return { devices: listDevices('/dev', '/dev'), rules: [{ allow: true, access: 'rwm' }] };
  }
  const devices: OciDevice[] = [];
  const rules = [...defaultRules];
  for (const mapping of hostConfig.Devices ?? []) {
    const onHost = mapping.PathOnHost ?? '';
    const found = devicesAt(onHost, mapping.PathInContainer || onHost);
    devices.push(...found);
    for (const { type, major, minor } of found) {
      rules.push({ allow: true, type, major, minor, access: mapping.CgroupPermissions || 'rwm' });
    }
  }
  rules.push(...(hostConfig.DeviceCgroupRules ?? []).map(parseDeviceRule));
  return { devices, rules };
}

/** Checks what can be checked before a start, so that a bad request fails at creation. */
export function validateDevices(hostConfig: HostConfig): void {
  for (const { PathOnHost, CgroupPermissions } of hostConfig.Devices ?? []) {
    if (!PathOnHost) throw invalid('invalid device: PathOnHost is empty');
    if (CgroupPermissions && !/^[rwm]{1,3}$/.test(CgroupPermissions)) {
      throw invalid(`invalid device mode: ${CgroupPermissions}: use a combination of r, w and m`);
    }
  }
  for (const rule of hostConfig.DeviceCgroupRules ?? []) parseDeviceRule(rule);
}

/** "c 1:3 rwm", with * for any number, as the kernel's devices.allow takes it. */
function parseDeviceRule(text: string): OciDeviceRule {
  const match = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(text);
  if (!match) throw invalid(`invalid device cgroup rule format: '${text}'`);
  const [, type, major, minor, access] = match;
  return {
    allow: true,
    type: type!,
    ...(major !== '*' && { major: Number(major) }),
    ...(minor !== '*' && { minor: Number(minor) }),
    access: access!,
  };
}

function devicesAt(onHost: string, inContainer: string): OciDevice[] {
  let stats;
  try {
    stats = statSync(onHost);
  } catch (error) {
    throw invalid(
      `error gathering device information while adding custom device "${onHost}": no such file or directory`,
      error,
    );
  }
  if (stats.isDirectory()) return listDevices(onHost, inContainer);
  const device = describeDevice(onHost, inContainer);
  if (!device)
    throw invalid(`error gathering device information while adding custom device "${onHost}": not a device node`);
  return [device];
}

function listDevices(onHost: string, inContainer: string): OciDevice[] {
  const devices: OciDevice[] = [];
  for (const entry of readdirSync(onHost, { withFileTypes: true })) {
    const source = join(onHost, entry.name);
    const target = join(inContainer, entry.name);
    if (entry.isDirectory()) {
      // What lives there belongs to the container's own mounts.
      if (!['pts', 'shm', 'mqueue', 'fd', '.lxc', '.lxd-mounts', '.udev'].includes(entry.name)) {
        devices.push(...listDevices(source, target));
      }
    } else if ((entry.isCharacterDevice() || entry.isBlockDevice()) && source !== '/dev/console') {
      const device = describeDevice(source, target);
      if (device) devices.push(device);
    }
  }
  return devices;
}

function describeDevice(onHost: string, inContainer: string): OciDevice | undefined {
  const stats = statSync(onHost);
  const kind = stats.mode & modeTypeMask;
  if (kind !== characterDevice && kind !== blockDevice) return undefined;
  return {
    path: inContainer,
    type: kind === characterDevice ? 'c' : 'b',
    ...deviceNumber(stats.rdev),
    fileMode: stats.mode & 0o777,
    uid: stats.uid,
    gid: stats.gid,
  };
}

/** Splits a Linux dev_t as makedev(3) packs it. */
function deviceNumber(rdev: number): { major: number; minor: number } {
  const value = BigInt(rdev);
  return {
    major: Number(((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n)),
    minor: Number((value & 0xffn) | ((value >> 12n) & 0xffffff00n)),
  };
}

/** Major and minor number of a block device given by path, for the blkio limits. */
export function blockDeviceNumber(path: string): { major: number; minor: number } {
  let stats;
  try {
    stats = statSync(path);
  } catch (error) {
    throw invalid(`no such device: ${path}`, error);
  }
  if (!stats.isBlockDevice()) throw invalid(`not a block device: ${path}`);
  return deviceNumber(stats.rdev);
}
