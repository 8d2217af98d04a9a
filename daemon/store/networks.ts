import type { NetworkDefinition } from '../networks/definition.js';
import type { Database } from './database.js';

export type NetworkDriver = 'bridge' | 'host' | 'null' | 'macvlan' | 'ipvlan';

export interface NetworkRecord {
  id: string;
  name: string;
  driver: NetworkDriver;
  created: string;
  definition: NetworkDefinition;
}

interface Row extends Omit<NetworkRecord, 'definition'> {
  definition: string;
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
  readonly #delete;
  readonly #all;
  readonly #lease;
  readonly #release;
  readonly #releaseOne;
  readonly #leases;

  constructor(database: Database) {
    this.#insert = database.prepare<Row>(
      `INSERT INTO networks (id, name, driver, created, definition)
       VALUES (@id, @name, @driver, @created, @definition)`,
    );
    this.#update = database.prepare<[string, string]>('UPDATE networks SET definition = ? WHERE id = ?');
    this.#delete = database.prepare<[string]>('DELETE FROM networks WHERE id = ?');
    this.#all = database.prepare<[], Row>('SELECT id, name, driver, created, definition FROM networks');
    this.#lease = database.prepare<[string, string, string]>(
      'INSERT INTO leases (network_id, address, container_id) VALUES (?, ?, ?)',
    );
    this.#release = database.prepare<[string]>('DELETE FROM leases WHERE container_id = ?');
    this.#releaseOne = database.prepare<[string, string]>(
      'DELETE FROM leases WHERE container_id = ? AND network_id = ?',
    );
    this.#leases = database.prepare<[], Lease>('SELECT * FROM leases');
  }

  insert(network: NetworkRecord): void {
    this.#insert.run({ ...network, definition: JSON.stringify(network.definition) });
  }

  saveDefinition({ id, definition }: NetworkRecord): void {
    this.#update.run(JSON.stringify(definition), id);
  }

  /** Also takes the leases. */
  delete(id: string): void {
    this.#delete.run(id);
  }

  /** The column was written from this type by the same code. */
  all(): NetworkRecord[] {
    return this.#all
      .all()
      .map((row) => ({ ...row, definition: JSON.parse(row.definition) as NetworkRecord['definition'] }));
  }

  lease(networkId: string, address: string, containerId: string): void {
    this.#lease.run(networkId, address, containerId);
  }

  /** Gives back every address of a container, or only those in one network. */
  release(containerId: string, networkId?: string): void {
    if (networkId === undefined) this.#release.run(containerId);
    else this.#releaseOne.run(containerId, networkId);
  }

  leases(): Lease[] {
    return this.#leases.all();
  }
}
