import type { Addon } from '../runtime/addon.js';

/**
 * Our one nftables table. Bridges and subnets are elements of sets, so that a network is an element added and not a rule
 * inserted. Rules are replaced as a whole, atomically, at start.
 */
export class Firewall {
  constructor(
    readonly addon: Addon,
    readonly table: string,
  ) {}

  /** Creates the table for these bridges: what their subnets send elsewhere leaves with the host's address. */
  async install(bridges: { name: string; subnet: string; masquerade: boolean }[]): Promise<void> {
    const masqueraded = bridges.filter(({ masquerade }) => masquerade);
    await this.addon.applyNftables(
      `
table inet ${this.table} { }
delete table inet ${this.table}
table inet ${this.table} {
  set bridges {
    type ifname
    ${elements(bridges.map(({ name }) => `"${name}"`))}
  }
  set masqueraded {
    type ipv4_addr
    flags interval
    ${elements(masqueraded.map(({ subnet }) => subnet))}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @masqueraded oifname != @bridges masquerade
  }
}
`,
    );
  }

  async remove(): Promise<void> {
    await this.addon.applyNftables(`table inet ${this.table} { }\ndelete table inet ${this.table}\n`);
  }
}

const elements = (values: string[]): string => (values.length > 0 ? `elements = { ${values.join(', ')} }` : '');
