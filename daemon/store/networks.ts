import type { Database } from './database.js';

export interface NetworkRecord {
  id: string;
  name: string;
  driver: 'bridge' | 'host' | 'null';
  created: string;
  /** "172.17.0.0/16"; "" for drivers without addresses. */
  subnet: string;
  gateway: string;
}

export interface Lease {
  network_id: string;
  address: string;
  container_id: string;
}

/** The networks and leases tables. The primary key of a lease is what keeps an address from being given out twice. */
export class NetworkStore {
  readonly #insert;
  readonly #update;
  readonly #all;
  readonly #lease;
  readonly #release;
  readonly #leases;

  constructor(database: Database) {
    this.#insert = database.prepare<NetworkRecord>(
      `INSERT INTO networks (id, name, driver, created, subnet, gateway)
       VALUES (@id, @name, @driver, @created, @subnet, @gateway)`,
    );
    this.#update = database.prepare<[string, string, string]>(
      'UPDATE networks SET subnet = ?, gateway = ? WHERE id = ?',
    );
    this.#all = database.prepare<[], NetworkRecord>('SELECT * FROM networks');
    this.#lease = database.prepare<[string, string, string]>(
      'INSERT INTO leases (network_id, address, container_id) VALUES (?, ?, ?)',
    );
    this.#release = database.prepare<[string]>('DELETE FROM leases WHERE container_id = ?');
    this.#leases = database.prepare<[], Lease>('SELECT * FROM leases');
  }

  insert(network: NetworkRecord): void {
    this.#insert.run(network);
  }

  setSubnet(id: string, subnet: string, gateway: string): void {
    this.#update.run(subnet, gateway, id);
  }

  all(): NetworkRecord[] {
    return this.#all.all();
  }

  lease(networkId: string, address: string, containerId: string): void {
    this.#lease.run(networkId, address, containerId);
  }

  /** Gives back every address of a container. */
  release(containerId: string): void {
    this.#release.run(containerId);
  }

  leases(): Lease[] {
    return this.#leases.all();
  }
}
