import type { NftablesChain } from '../runtime/addon.js';

/** dockerd calls this chain before its own, and never empties it. */
const userChain = 'DOCKER-USER';

export const nameOf = ({ family, table, name }: NftablesChain): string => `${family} ${table} ${name}`;

/** Of those that iptables manages, where rules of several programs stand side by side. Other tables are somebody's own. */
export function isOfIptables({ family, table, name }: NftablesChain): boolean {
  return (family === 'ip' || family === 'ip6') && table === 'filter' && (name === 'FORWARD' || name === userChain);
}

/** Where a rule of ours has to stand: dockerd's chain for others where it is, as dockerd sets FORWARD up when it starts. */
export function chainsToPass(chains: NftablesChain[]): NftablesChain[] {
  return ['ip', 'ip6'].flatMap((family) => {
    const own = chains.filter((chain) => chain.family === family && isOfIptables(chain));
    const user = own.find(({ name }) => name === userChain);
    return user ? [user] : own.filter(({ forwards, drops }) => forwards && drops);
  });
}
