import type { Database } from './database.js';
import type { ContainerRecord } from '../containers/container.js';
import type { ContainerState } from '../containers/state.js';

interface Row {
  id: string;
  name: string;
  created: string;
  image_id: string;
  path: string;
  args: string;
  config: string;
  host_config: string;
  networks: string;
  mounts: string;
  state: string;
}

/** The containers table. Every other method is one statement, and therefore atomic. */
export class ContainerStore {
  readonly #insert;
  readonly #state;
  readonly #record;
  readonly #mounts;
  readonly #delete;
  readonly #all;

  constructor(readonly database: Database) {
    this.#insert = database.prepare<Row>(
      `INSERT INTO containers (id, name, created, image_id, path, args, config, host_config, networks, mounts, state)
       VALUES (@id, @name, @created, @image_id, @path, @args, @config, @host_config, @networks, @mounts, @state)`,
    );
    this.#state = database.prepare<[string, string, string]>(
      'UPDATE containers SET state = ?, networks = ? WHERE id = ?',
    );
    this.#record = database.prepare<[string, string, string, string, string]>(
      'UPDATE containers SET name = ?, config = ?, host_config = ?, networks = ? WHERE id = ?',
    );
    this.#mounts = database.prepare<[string, string]>('UPDATE containers SET mounts = ? WHERE id = ?');
    this.#delete = database.prepare<[string]>('DELETE FROM containers WHERE id = ?');
    this.#all = database.prepare<[], Row>('SELECT * FROM containers');
  }

  /** What `work` writes to any table is written all at once, which also takes less time. It cannot wait for anything. */
  transaction(work: () => void): void {
    this.database.transaction(work)();
  }

  insert(record: ContainerRecord, state: ContainerState): void {
    this.#insert.run({
      id: record.id,
      name: record.name,
      created: record.created,
      image_id: record.imageId,
      path: record.path,
      args: JSON.stringify(record.args),
      config: JSON.stringify(record.config),
      host_config: JSON.stringify(record.hostConfig),
      networks: JSON.stringify(record.networks),
      mounts: JSON.stringify(record.mounts),
      state: JSON.stringify(state),
    });
  }

  /** Saves the state and the addresses that go with it. */
  saveState(container: ContainerRecord & { state: ContainerState }): void {
    this.#state.run(JSON.stringify(container.state), JSON.stringify(container.networks), container.id);
  }

  /** Saves what rename, update and network changes touch. */
  saveRecord(record: ContainerRecord): void {
    this.#record.run(
      record.name,
      JSON.stringify(record.config),
      JSON.stringify(record.hostConfig),
      JSON.stringify(record.networks),
      record.id,
    );
  }

  saveMounts({ id, mounts }: ContainerRecord): void {
    this.#mounts.run(JSON.stringify(mounts), id);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  all(): { record: ContainerRecord; state: ContainerState }[] {
    return this.#all.all().map(fromRow);
  }
}

/** The columns were written from these types by the same code. */
function fromRow(row: Row): { record: ContainerRecord; state: ContainerState } {
  return {
    record: {
      id: row.id,
      name: row.name,
      created: row.created,
      imageId: row.image_id,
      path: row.path,
      args: JSON.parse(row.args) as ContainerRecord['args'],
      config: JSON.parse(row.config) as ContainerRecord['config'],
      hostConfig: JSON.parse(row.host_config) as ContainerRecord['hostConfig'],
      networks: JSON.parse(row.networks) as ContainerRecord['networks'],
      mounts: JSON.parse(row.mounts) as ContainerRecord['mounts'],
    },
    state: JSON.parse(row.state) as ContainerState,
  };
}
