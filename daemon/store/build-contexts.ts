import type { Database } from './database.js';

/** A tree of files that a client sent. Times in milliseconds since the epoch. */
export interface BuildContextRow {
  id: string;
  /** Of whose directory it is. */
  key: string;
  /** What the client calls the directory. */
  name: string;
  /** During which it was written. */
  boot: string;
  /** Bytes of its files. */
  size: number;
  created: number;
  last_used: number;
  uses: number;
}

/** The build_contexts table. */
export class BuildContextStore {
  readonly #save;
  readonly #delete;
  readonly #all;

  constructor(database: Database) {
    this.#save = database.prepare<BuildContextRow>(
      'INSERT OR REPLACE INTO build_contexts (id, key, name, boot, size, created, last_used, uses) ' +
        'VALUES (@id, @key, @name, @boot, @size, @created, @last_used, @uses)',
    );
    this.#delete = database.prepare<[string]>('DELETE FROM build_contexts WHERE id = ?');
    this.#all = database.prepare<[], BuildContextRow>('SELECT * FROM build_contexts ORDER BY last_used');
  }

  save(row: BuildContextRow): void {
    this.#save.run(row);
  }

  delete(id: string): void {
    this.#delete.run(id);
  }

  /** Those not used for longest first. */
  all(): BuildContextRow[] {
    return this.#all.all();
  }
}
