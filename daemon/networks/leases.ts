import { conflict, invalid, unsupported } from '../errors.js';
import type { NetworkStore } from '../store/networks.js';
import { contains, formatSubnet, hostRange, toNumber, toText, type Subnet } from './subnet.js';

/** The addresses of one network: who has which. SQLite is asked to agree before an address is given out. */
export class AddressPool {
  readonly #taken = new Set<number>();
  #last: number;

  constructor(
    readonly networkId: string,
    readonly subnet: Subnet,
    gateway: number,
    readonly store: NetworkStore,
  ) {
    this.#taken.add(gateway);
    this.#last = gateway;
  }

  /** Notes a lease that SQLite already has. */
  restore(address: string): void {
    this.#taken.add(toNumber(address));
  }

  /** The next free address after the last one given out, so that a released one rests before it is used again. */
  lease(containerId: string, requested?: string): string {
    const address = requested ? this.#claim(requested) : this.#next();
    this.store.lease(this.networkId, toText(address), containerId);
    this.#taken.add(address);
    return toText(address);
  }

  release(address: string): void {
    this.#taken.delete(toNumber(address));
  }

  #claim(requested: string): number {
    const address = toNumber(requested);
    if (!contains(this.subnet, address)) {
      throw invalid(`invalid address ${requested}: it is not in the subnet ${formatSubnet(this.subnet)}`);
    }
    if (this.#taken.has(address)) throw conflict('Address already in use');
    return address;
  }

  #next(): number {
    const { first, last } = hostRange(this.subnet);
    for (let step = 1; step <= last - first + 1; step++) {
      const candidate = first + ((this.#last - first + step) % (last - first + 1));
      if (this.#taken.has(candidate)) continue;
      this.#last = candidate;
      return candidate;
    }
    throw unsupported(
      `no available IPv4 addresses on this network's address pools: ${formatSubnet(this.subnet)} is full`,
    );
  }
}
