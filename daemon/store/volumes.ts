import type { Database } from './database.js';

export interface VolumeRecord {
  name: string;
  created: string;
  /** Null when none were given, which clients see; {} is something else. */
  labels: Record<string, string> | null;
  options: Record<string, string> | null;
  /** False while it belongs to nobody but the container that it was made for: then it may go with that. */
  kept: boolean;
}

interface Row {
  name: string;
  created: string;
  labels: string;
  options: string;
  kept: number;
}

/** The volumes table. */
export class VolumeStore {
  readonly #insert;
  readonly #keep;
  readonly #delete;
  readonly #all;

  constructor(database: Database) {
    this.#insert = database.prepare<Row>(
      'INSERT INTO volumes (name, created, labels, options, kept) VALUES (@name, @created, @labels, @options, @kept)',
    );
    this.#keep = database.prepare<[string]>('UPDATE volumes SET kept = 1 WHERE name = ?');
    this.#delete = database.prepare<[string]>('DELETE FROM volumes WHERE name = ?');
    this.#all = database.prepare<[], Row>('SELECT * FROM volumes');
  }

  insert(volume: VolumeRecord): void {
    this.#insert.run({
      ...volume,
      labels: JSON.stringify(volume.labels),
      options: JSON.stringify(volume.options),
      kept: Number(volume.kept),
    });
  }

  keep(name: string): void {
    this.#keep.run(name);
  }

  delete(name: string): void {
    this.#delete.run(name);
  }

  all(): VolumeRecord[] {
    return this.#all.all().map((row) => ({
      ...row,
      labels: JSON.parse(row.labels) as VolumeRecord['labels'],
      options: JSON.parse(row.options) as VolumeRecord['options'],
      kept: row.kept !== 0,
    }));
  }
}
