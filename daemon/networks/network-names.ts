import type { Container } from '../containers/container.js';
import type { Network } from './network.js';

/** What a container on a network can be looked up by. */
export interface MemberNames {
  /** Of both families. */
  addresses: readonly string[];
  /** Its name, aliases, short id and host name. An alias that several containers have leads to all of them. */
  names: readonly string[];
  /** What its addresses are called in reverse look-ups: "web.frontend". */
  reverse: string;
}

/** The names that a container has on a network now; undefined when it is not there. */
export function memberNames(container: Container, { name: network, members }: Network): MemberNames | undefined {
  if (!members.has(container.id)) return undefined;
  const { IPAddress, GlobalIPv6Address, DNSNames } = container.networks[network] ?? {};
  return {
    addresses: [IPAddress ?? '', GlobalIPv6Address ?? ''].filter((address) => address !== ''),
    names: DNSNames ?? [],
    reverse: `${container.name}.${network}`,
  };
}
