/** A chain that is not ours: a base chain on the way of forwarded packets, or DOCKER-USER, which is called from one. */
export interface ForeignChain {
  /** "ip filter" */
  table: string;
  name: string;
  /** What nobody accepts there is dropped. */
  drops: boolean;
}

/**
 * The bit of a packet's mark by which our table says that a forwarded packet may pass. It is set while the packet is being
 * forwarded, when routing has been decided, and ends with the packet.
 */
export const settledMark = '0x10000000';

/** dockerd calls this chain before its own, and never empties it. */
const userChain = 'DOCKER-USER';

/** How `nft list` shows a rule of ours: what it matches, its comment, its handle. */
const ownRule = new RegExp(`== ${settledMark}\\s.*accept(?: comment "(.*)")? # handle (\\d+)$`);

/** @param text of `nft list chains` */
export function parseForeignChains(text: string): ForeignChain[] {
  const found: ForeignChain[] = [];
  let table = '';
  let name = '';
  for (const line of text.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    name = /^\s+chain (\S+) \{/.exec(line)?.[1] ?? name;
    if (/hook forward /.test(line)) found.push({ table, name, drops: /policy drop;/.test(line) });
    else if (name === userChain && /^\s+chain /.test(line)) found.push({ table, name, drops: false });
  }
  return found;
}

export const nameOf = ({ table, name }: ForeignChain): string => `${table} ${name}`;

/** Of those that iptables manages, where rules of several programs stand side by side. Other tables are somebody's own. */
export function isOfIptables({ table, name }: ForeignChain): boolean {
  return (table === 'ip filter' || table === 'ip6 filter') && (name === 'FORWARD' || name === userChain);
}

/** Where a rule of ours has to stand: dockerd's chain for others where it is, as dockerd sets FORWARD up when it starts. */
export function chainsToPass(chains: ForeignChain[]): ForeignChain[] {
  return ['ip filter', 'ip6 filter'].flatMap((table) => {
    const own = chains.filter((chain) => chain.table === table && isOfIptables(chain));
    const user = own.find(({ name }) => name === userChain);
    return user ? [user] : own.filter(({ drops }) => drops);
  });
}

/** A rule that iptables shows as `-m mark --mark 0x10000000/0x10000000 -m comment --comment gantry -j ACCEPT`. */
export function admittingRule(chain: ForeignChain, comment: string): string {
  const matches = `meta mark and ${settledMark} == ${settledMark}`;
  return `insert rule ${nameOf(chain)} ${matches} counter accept comment "${comment}"\n`;
}

/**
 * The handles of the rules that `admittingRule` has made. One that has been through iptables-restore has a comment that only
 * iptables shows.
 * @param text of `nft --handle list chain`
 */
export function ownRules(text: string, comment: string): number[] {
  return text.split('\n').flatMap((line) => {
    const [, shown, handle] = ownRule.exec(line) ?? [];
    return handle !== undefined && (shown ?? comment) === comment ? [Number(handle)] : [];
  });
}
