import type { Addon } from '../runtime/addon.js';
import {
  admittingRule,
  chainsToPass,
  type ForeignChain,
  isOfIptables,
  nameOf,
  ownRules,
  parseForeignChains,
  settledMark,
} from './foreign-chains.js';
import type { PublishedPort } from './published-port.js';

/** What the firewall knows about the bridge of a network. */
export interface BridgeRules {
  link: string;
  internal: boolean;
  /** What leaves gets an address of the host: true for that of the interface it leaves by, or a given one. */
  source: { ipv4: boolean | string; ipv6: boolean | string };
  /** Interfaces of the host from which containers may be reached directly. */
  trusted: string[];
  /** What its containers send to published ports is left to the shims: no frame may turn around on the bridge. */
  relayed: boolean;
  /** Every port can be reached directly from outside. */
  unprotected: { ipv4: boolean; ipv6: boolean };
}

/** A published port and the addresses of the container it leads to. */
export interface PortRules extends PublishedPort {
  ipv4: string;
  ipv6: string;
  /** Translate at the host's port. */
  translate: boolean;
  /** Let others reach the container's own address at this port. */
  open: boolean;
}

type Elements = [set: string, element: string][];

/**
 * Our one nftables table. Bridges, subnets and ports are elements of sets and maps, so that a network or a container is an
 * element added and not a rule inserted. Rules are replaced as a whole, atomically, at start. docs/networking.md describes
 * the chains for those who add their own.
 */
export class Firewall {
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    readonly addon: Addon,
    readonly table: string,
    /** Off: nothing is ever touched. */
    readonly enabled: boolean,
    readonly ipv6: boolean,
  ) {}

  /** Creates the table for these bridges and ports, in place of what an earlier daemon has left. */
  async install(bridges: BridgeRules[], ports: PortRules[]): Promise<void> {
    const elements = [
      ...bridges.flatMap((each) => this.#ofBridge(each)),
      ...ports.flatMap((each) => this.#ofPort(each)),
    ];
    await this.#apply(
      `table inet ${this.table} { }\ndelete table inet ${this.table}\n` +
        `table inet ${this.table} {\n${tableBody}\n}\n${this.#script('add', elements)}`,
    );
  }

  addBridge(bridge: BridgeRules): Promise<void> {
    return this.#change('add', this.#ofBridge(bridge));
  }

  removeBridge(bridge: BridgeRules): Promise<void> {
    return this.#change('delete', this.#ofBridge(bridge));
  }

  publish(ports: PortRules[]): Promise<void> {
    return this.#change(
      'add',
      ports.flatMap((port) => this.#ofPort(port)),
    );
  }

  async unpublish(ports: PortRules[]): Promise<void> {
    await this.#change(
      'delete',
      ports.flatMap((port) => this.#ofPort(port)),
    );
    await this.#forgetFlows(ports);
  }

  /** One set of ports in place of another, at one instant. */
  async replacePorts(before: PortRules[], after: PortRules[]): Promise<void> {
    const old = before.flatMap((port) => this.#ofPort(port));
    const fresh = after.flatMap((port) => this.#ofPort(port));
    await this.#apply(this.#script('add', old) + this.#script('delete', old) + this.#script('add', fresh));
    await this.#forgetFlows(before);
  }

  /** Datagrams have no end: who goes on sending would be led to where the port was for as long as he does. */
  async #forgetFlows(ports: PortRules[]): Promise<void> {
    const translated = ports.filter(({ protocol, translate }) => protocol === 'udp' && translate);
    const addresses = new Set(translated.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]).filter((address) => address !== ''));
    if (this.enabled && addresses.size > 0) await this.addon.forgetUdpFlows([...addresses]);
  }

  async remove(): Promise<void> {
    await this.#apply(`table inet ${this.table} { }\ndelete table inet ${this.table}\n`);
  }

  /**
   * Has iptables' own FORWARD chains let through what our table has accepted, where they would drop it.
   * @returns the base chains of others that go on dropping forwarded packets: we touch none but those
   */
  async admit(): Promise<string[]> {
    if (!this.enabled) return [];
    const chains = await this.#foreignChains();
    for (const chain of chainsToPass(chains)) {
      if (ownRules(await this.#rulesOf(chain), this.table).length > 0) continue;
      await this.#apply(admittingRule(chain, this.table));
    }
    return chains.filter((chain) => chain.drops && !isOfIptables(chain)).map(nameOf);
  }

  /** Takes back what `admit` has put into the chains of others. */
  async withdraw(): Promise<void> {
    if (!this.enabled) return;
    const chains = await this.#foreignChains();
    for (const chain of chains.filter(isOfIptables)) {
      for (const handle of ownRules(await this.#rulesOf(chain), this.table)) {
        await this.#apply(`delete rule ${nameOf(chain)} handle ${handle}\n`);
      }
    }
  }

  async #foreignChains(): Promise<ForeignChain[]> {
    return parseForeignChains(await this.addon.applyNftables('list chains'));
  }

  #rulesOf(chain: ForeignChain): Promise<string> {
    return this.addon.applyNftables(`list chain ${nameOf(chain)}`);
  }

  async #change(verb: 'add' | 'delete', elements: Elements): Promise<void> {
    if (elements.length === 0) return;
    // What is deleted may be absent after a failure: it is added first, which changes nothing where it is there.
    const script = verb === 'delete' ? this.#script('add', elements) : '';
    await this.#apply(script + this.#script(verb, elements));
  }

  #script(verb: 'add' | 'delete', elements: Elements): string {
    const bySet = new Map<string, Set<string>>();
    for (const [set, element] of elements) bySet.set(set, (bySet.get(set) ?? new Set()).add(element));
    return [...bySet]
      .map(([set, members]) => `${verb} element inet ${this.table} ${set} { ${[...members].join(', ')} }\n`)
      .join('');
  }

  /** One after the other, in the order in which they were asked for. */
  #apply(script: string): Promise<void> {
    if (!this.enabled) return Promise.resolve();
    const run = async (): Promise<void> => void (await this.addon.applyNftables(script));
    const result = this.#last.then(run, run);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #ofBridge({ link, internal, source, trusted, relayed, unprotected }: BridgeRules): Elements {
    const name = `"${link}"`;
    const elements: Elements = [
      ['bridges', name],
      ['within', `${name} . ${name}`],
    ];
    if (internal) elements.push(['internal', name]);
    if (relayed) elements.push(['relayed', name]);
    for (const [family, given, used] of [
      ['4', source.ipv4, true],
      ['6', source.ipv6, this.ipv6],
    ] as const) {
      if (!used || internal || given === false) continue;
      if (given === true) elements.push([`masqueraded${family}`, name]);
      else elements.push([`source${family}`, `${name} : ${given}`]);
    }
    for (const each of trusted) elements.push(['trusted', `"${each}" . ${name}`]);
    if (unprotected.ipv4) elements.push(['unprotected4', name]);
    if (unprotected.ipv6) elements.push(['unprotected6', name]);
    return elements;
  }

  #ofPort({ protocol, hostAddress, hostPort, containerPort, ipv4, ipv6, translate, open }: PortRules): Elements {
    const family = hostAddress.includes(':') ? 6 : 4;
    const target = family === 4 ? ipv4 : ipv6;
    if (target === '' || (family === 6 && !this.ipv6)) return [];
    const elements: Elements = [];
    if (open) elements.push([`open${family}`, `${target} . ${protocol} . ${containerPort}`]);
    // The loopback is never translated: the container's supervisor serves it.
    if (!translate || hostAddress.startsWith('127.') || hostAddress === '::1') return elements;
    elements.push([`itself${family}`, `${target} . ${target}`]);
    const to = `${target} . ${containerPort}`;
    if (hostAddress === '0.0.0.0' || hostAddress === '::') {
      elements.push([`anywhere${family}`, `${protocol} . ${hostPort} : ${to}`]);
    } else {
      elements.push([`published${family}`, `${hostAddress} . ${protocol} . ${hostPort} : ${to}`]);
    }
    return elements;
  }
}

const tableBody = `
  # The interfaces of our networks.
  set bridges { type ifname; }
  # Each bridge with itself: what stays in one network.
  set within { type ifname . ifname; }
  set internal { type ifname; }
  # Bridges whose ports are isolated: with br_netfilter, what is translated back to them would not pass.
  set relayed { type ifname; }
  # Bridges whose containers show the host's address outside: that of the interface, or a given one.
  set masqueraded4 { type ifname; }
  set masqueraded6 { type ifname; }
  map source4 { type ifname : ipv4_addr; }
  map source6 { type ifname : ipv6_addr; }
  # From an interface of the host to a bridge without any further question.
  set trusted { type ifname . ifname; }
  set unprotected4 { type ifname; }
  set unprotected6 { type ifname; }
  # Ports of containers that can be reached at the container's own address.
  set open4 { type ipv4_addr . inet_proto . inet_service; }
  set open6 { type ipv6_addr . inet_proto . inet_service; }
  # Published ports: on every address of the host, and on one of them.
  map anywhere4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map anywhere6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
  map published4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map published6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }

  # Each container that publishes ports with itself: what it sends to its own port of the host.
  set itself4 { type ipv4_addr . ipv4_addr; }
  set itself6 { type ipv6_addr . ipv6_addr; }

  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    iifname @relayed return
    fib daddr type local jump published
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ip daddr 127.0.0.0/8 return
    ip6 daddr ::1 return
    fib daddr type local jump published
  }
  chain published {
    meta nfproto ipv4 dnat ip to ip daddr . meta l4proto . th dport map @published4
    meta nfproto ipv4 dnat ip to meta l4proto . th dport map @anywhere4
    meta nfproto ipv6 dnat ip6 to ip6 daddr . meta l4proto . th dport map @published6
    meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @anywhere6
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    # From a container to a published port and back to a container: the answer has to come this way, too.
    ct status dnat iifname @bridges oifname @bridges masquerade
    ct status dnat ip saddr . ip daddr @itself4 masquerade
    ct status dnat ip6 saddr . ip6 daddr @itself6 masquerade
    oifname @bridges return
    meta nfproto ipv4 snat ip to iifname map @source4
    meta nfproto ipv6 snat ip6 to iifname map @source6
    meta nfproto ipv4 iifname @masqueraded4 masquerade
    meta nfproto ipv6 iifname @masqueraded6 masquerade
  }
  chain forward {
    type filter hook forward priority -10; policy accept;
    iifname @bridges goto judged
    oifname @bridges goto judged
  }
  # The mark tells iptables' FORWARD, which comes later, that this is settled (foreign-chains.ts).
  chain accepted {
    meta mark set meta mark or ${settledMark} accept
  }
  # What enters or leaves one of our networks.
  chain judged {
    ct state established,related goto accepted
    iifname . oifname @within goto accepted
    iifname @internal drop
    oifname @internal drop
    ct status dnat goto accepted
    oifname != @bridges goto accepted
    iifname . oifname @trusted goto accepted
    ip daddr . meta l4proto . th dport @open4 goto accepted
    ip6 daddr . meta l4proto . th dport @open6 goto accepted
    iifname != @bridges meta nfproto ipv4 oifname @unprotected4 goto accepted
    iifname != @bridges meta nfproto ipv6 oifname @unprotected6 goto accepted
    drop
  }`;
