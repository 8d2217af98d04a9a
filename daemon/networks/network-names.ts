import type { NetworkNames } from './name-tables.js';
import type { Network } from './network.js';

/**
 * The names of everybody on a network now: container names, aliases, short ids and host names. An alias that several
 * containers have leads to all of them.
 */
export function networkNames({ name: network, members }: Network): NetworkNames {
  const names = new Map<string, string[]>();
  const reverse = new Map<string, string>();
  for (const { name, networks } of members.values()) {
    const { IPAddress, GlobalIPv6Address, DNSNames } = networks[network] ?? {};
    const addresses = [IPAddress ?? '', GlobalIPv6Address ?? ''].filter((address) => address !== '');
    for (const each of DNSNames ?? []) {
      const known = names.get(each);
      if (known) known.push(...addresses);
      else names.set(each, [...addresses]);
    }
    for (const address of addresses) reverse.set(address, `${name}.${network}`);
  }
  return { network, names, reverse };
}
