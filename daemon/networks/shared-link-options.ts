import { internal, invalid } from '../errors.js';
import { familyOptionNames, mtu } from './bridge-options.js';

/** Options of a macvlan or ipvlan network, read. */
export interface SharedLinkOptions {
  /** The interface of the host whose link is shared; "" for a dummy of the network's own. */
  parent: string;
  mode: string;
  /** ipvlan only. */
  flag: string;
  mtu: number;
}

const modes = { macvlan: ['bridge', 'private', 'vepa', 'passthru'], ipvlan: ['l2', 'l3', 'l3s'] } as const;
const flags = ['bridge', 'private', 'vepa'];

/** @throws GantryError in Docker's words for a wrong value; invalid for an option that there is none of */
export function parseSharedLinkOptions(
  driver: 'macvlan' | 'ipvlan',
  options: Record<string, string>,
): SharedLinkOptions {
  const names = [
    'parent',
    `${driver}_mode`,
    'com.docker.network.driver.mtu',
    ...Object.values(familyOptionNames),
    ...(driver === 'ipvlan' ? ['ipvlan_flag'] : []),
  ];
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) throw invalid(`option "${unknown}" is not supported by the ${driver} driver`);
  const { parent = '', ipvlan_flag: flag = '' } = options;
  const mode = options[`${driver}_mode`] || modes[driver][0];
  if (!(modes[driver] as readonly string[]).includes(mode)) {
    throw internal(
      `requested ${driver} mode '${mode}' is not valid, '${modes[driver][0]}' mode is the ${driver} driver default`,
    );
  }
  if (flag !== '' && !flags.includes(flag)) {
    throw internal(`requested ipvlan flag '${flag}' is not valid, 'bridge' is the ipvlan driver default`);
  }
  if (parent !== '' && !/^[^\s/:]{1,15}$/.test(parent)) throw invalid(`invalid parent interface name '${parent}'`);
  if (parent === 'lo') throw internal('loopback interface is not a valid ' + driver + ' parent link');
  return {
    parent,
    mode,
    flag,
    mtu: mtu('com.docker.network.driver.mtu', options['com.docker.network.driver.mtu']),
  };
}

/** "eth0.10": the interface below and the VLAN that Docker makes when there is no such interface. */
export function vlanOf(parent: string): { lower: string; id: number } {
  const match = /^(.+)\.(\d+)$/.exec(parent);
  const id = Number(match?.[2]);
  if (!match?.[1]) throw internal(`invalid subinterface vlan name ${parent}, example formatting is eth0.10`);
  if (id < 1 || id > 4094) throw internal(`vlan id must be between 1-4094, received: ${id}`);
  return { lower: match[1], id };
}
