import type { Addon, FirewallElement } from '../runtime/addon.js';
import { chainsToPass, isOfIptables, nameOf } from './foreign-chains.js';
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

const element = (set: string, key: string[], value: string[] = []): FirewallElement => ({ set, key, value });

/**
 * Our one nftables table. Bridges, subnets and ports are elements of sets and maps, so that a network or a container is an
 * element added and not a rule inserted. The addon has its sets and rules, and replaces them as a whole, atomically, at
 * start. docs/networking.md describes the chains for those who add their own.
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
    const elements = [...bridges.flatMap((each) => this.#ofBridge(each)), ...this.#ofPorts(ports)];
    await this.#apply(() => this.addon.installFirewall(this.table, elements));
  }

  addBridge(bridge: BridgeRules): Promise<void> {
    return this.#change([], this.#ofBridge(bridge));
  }

  removeBridge(bridge: BridgeRules): Promise<void> {
    return this.#change(this.#ofBridge(bridge), []);
  }

  publish(ports: PortRules[]): Promise<void> {
    return this.#change([], this.#ofPorts(ports));
  }

  async unpublish(ports: PortRules[]): Promise<void> {
    await this.#change(this.#ofPorts(ports), []);
    await this.#forgetFlows(ports);
  }

  /** One set of ports in place of another, at one instant. */
  async replacePorts(before: PortRules[], after: PortRules[]): Promise<void> {
    await this.#change(this.#ofPorts(before), this.#ofPorts(after));
    await this.#forgetFlows(before);
  }

  /** Datagrams have no end: who goes on sending would be led to where the port was for as long as he does. */
  async #forgetFlows(ports: PortRules[]): Promise<void> {
    const translated = ports.filter(({ protocol, translate }) => protocol === 'udp' && translate);
    const addresses = new Set(translated.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]).filter((address) => address !== ''));
    if (this.enabled && addresses.size > 0) await this.addon.forgetUdpFlows([...addresses]);
  }

  async remove(): Promise<void> {
    await this.#apply(() => this.addon.removeFirewall(this.table));
  }

  /**
   * Has iptables' own FORWARD chains let through what our table has accepted, where they would drop it.
   * @returns the base chains of others that go on dropping forwarded packets: we touch none but those
   */
  async admit(): Promise<string[]> {
    if (!this.enabled) return [];
    const chains = await this.addon.listChains();
    for (const chain of chainsToPass(chains)) await this.#apply(() => this.addon.ensureAdmitted(chain, this.table));
    return chains.filter((chain) => chain.forwards && chain.drops && !isOfIptables(chain)).map(nameOf);
  }

  /** Takes back what `admit` has put into the chains of others. */
  async withdraw(): Promise<void> {
    if (!this.enabled) return;
    const chains = (await this.addon.listChains()).filter(isOfIptables);
    for (const chain of chains) await this.#apply(() => this.addon.withdrawAdmission(chain, this.table));
  }

  async #change(removed: FirewallElement[], added: FirewallElement[]): Promise<void> {
    if (removed.length === 0 && added.length === 0) return;
    await this.#apply(() => this.addon.changeFirewall(this.table, removed, added));
  }

  /** One after the other, in the order in which they were asked for. */
  #apply(change: () => Promise<void>): Promise<void> {
    if (!this.enabled) return Promise.resolve();
    const result = this.#last.then(change, change);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #ofBridge({ link, internal, source, trusted, relayed, unprotected }: BridgeRules): FirewallElement[] {
    const elements = [element('bridges', [link]), element('within', [link, link])];
    if (internal) elements.push(element('internal', [link]));
    if (relayed) elements.push(element('relayed', [link]));
    for (const [family, given, used] of [
      ['4', source.ipv4, true],
      ['6', source.ipv6, this.ipv6],
    ] as const) {
      if (!used || internal || given === false) continue;
      if (given === true) elements.push(element(`masqueraded${family}`, [link]));
      else elements.push(element(`source${family}`, [link], [given]));
    }
    for (const each of trusted) elements.push(element('trusted', [each, link]));
    if (unprotected.ipv4) elements.push(element('unprotected4', [link]));
    if (unprotected.ipv6) elements.push(element('unprotected6', [link]));
    return elements;
  }

  #ofPorts(ports: PortRules[]): FirewallElement[] {
    return ports.flatMap((port) => this.#ofPort(port));
  }

  #ofPort({
    protocol,
    hostAddress,
    hostPort,
    containerPort,
    ipv4,
    ipv6,
    translate,
    open,
  }: PortRules): FirewallElement[] {
    const family = hostAddress.includes(':') ? 6 : 4;
    const target = family === 4 ? ipv4 : ipv6;
    if (target === '' || (family === 6 && !this.ipv6)) return [];
    const elements: FirewallElement[] = [];
    if (open) elements.push(element(`open${family}`, [target, protocol, String(containerPort)]));
    // The loopback is never translated: the container's supervisor serves it.
    if (!translate || hostAddress.startsWith('127.') || hostAddress === '::1') return elements;
    elements.push(element(`itself${family}`, [target, target]));
    const port = [protocol, String(hostPort)];
    const to = [target, String(containerPort)];
    if (hostAddress === '0.0.0.0' || hostAddress === '::') elements.push(element(`anywhere${family}`, port, to));
    else elements.push(element(`published${family}`, [hostAddress, ...port], to));
    return elements;
  }
}
