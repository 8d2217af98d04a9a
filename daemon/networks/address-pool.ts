import { forbidden, internal } from '../errors.js';
import type { NetworkStore } from '../store/networks.js';
import { contains, formatAddress, formatSubnet, hostRange, isHostAddress, lastOf, type Address } from './address.js';
import type { NetworkSubnet } from './definition.js';

/** The addresses of one subnet: who has which. SQLite is asked to agree before an address is given out. */
export class AddressPool {
  readonly #taken = new Set<bigint>();
  readonly #first: bigint;
  readonly #last: bigint;
  /** No address below it is free, so that finding one does not take longer the more there are. */
  #lowest: bigint;

  constructor(
    readonly networkId: string,
    readonly definition: NetworkSubnet,
    readonly store: NetworkStore,
  ) {
    const { subnet, range, gateway, auxiliary } = definition;
    const hosts = hostRange(subnet);
    this.#first = range && range.base > hosts.first ? range.base : hosts.first;
    this.#last = range && lastOf(range) < hosts.last ? lastOf(range) : hosts.last;
    this.#lowest = this.#first;
    if (gateway !== undefined) this.#taken.add(gateway);
    for (const value of auxiliary) this.#taken.add(value);
  }

  get family(): 4 | 6 {
    return this.definition.subnet.family;
  }

  contains(address: Address): boolean {
    return contains(this.definition.subnet, address);
  }

  /** Notes a lease that SQLite already has. */
  restore(address: Address): void {
    this.#taken.add(address.value);
  }

  /** The requested address, or the lowest that is free. @throws GantryError forbidden when it is taken */
  lease(containerId: string, requested?: Address): Address {
    const value = requested ? this.#claim(requested) : this.#next();
    const address = { family: this.family, value };
    this.store.lease(this.networkId, formatAddress(address), containerId);
    this.#taken.add(value);
    return address;
  }

  /** Gives an address back; the row in SQLite is the caller's business. */
  release({ value }: Address): void {
    this.#taken.delete(value);
    if (value < this.#lowest && value >= this.#first) this.#lowest = value;
  }

  #claim(address: Address): bigint {
    const { value } = address;
    // The network's and the broadcast address are nobody's.
    const free = isHostAddress(this.definition.subnet, address) && !this.#taken.has(value);
    if (!free) throw forbidden('Address already in use');
    return value;
  }

  #next(): bigint {
    let value = this.#lowest;
    while (value <= this.#last && this.#taken.has(value)) value++;
    this.#lowest = value;
    if (value > this.#last) {
      throw internal(
        `no available IPv${this.family} addresses on this network's address pools: ` +
          `${formatSubnet(this.definition.subnet)} is full`,
      );
    }
    return value;
  }
}
