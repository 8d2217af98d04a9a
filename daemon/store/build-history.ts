import type { Database } from './database.js';

/** A build that is over. */
export interface BuildRecordRow {
  ref: string;
  /** JSON. */
  record: string;
  /** Milliseconds since the epoch. */
  completed: number;
  /** 1 for one that is kept whatever comes. */
  pinned: number;
}

/** Something that belongs to a build. */
export interface BuildBlob {
  digest: string;
  data: Buffer;
}

/** The history of builds. */
export class BuildHistoryStore {
  readonly #statements;

  constructor(readonly database: Database) {
    this.#statements = prepareAll(database);
  }

  /** In place of one of the same ref. */
  save(row: Omit<BuildRecordRow, 'pinned'>, blobs: readonly BuildBlob[]): void {
    this.database.transaction(() => {
      this.#statements.delete.run(row.ref);
      this.#statements.save.run(row);
      for (const { digest, data } of blobs) this.#statements.saveBlob.run({ ref: row.ref, digest, data });
    })();
  }

  record(ref: string): BuildRecordRow | undefined {
    return this.#statements.record.get(ref);
  }

  /** Oldest first. */
  records(): BuildRecordRow[] {
    return this.#statements.records.all();
  }

  pin(ref: string, pinned: boolean): void {
    this.#statements.pin.run(pinned ? 1 : 0, ref);
  }

  delete(ref: string): void {
    this.#statements.delete.run(ref);
  }

  /** Deletes all but so many of those that are not pinned, the oldest first. */
  expire(kept: number): void {
    this.#statements.expire.run(kept);
  }

  blob(digest: string): Buffer | undefined {
    return this.#statements.blob.get(digest)?.data;
  }
}

function prepareAll(database: Database) {
  return {
    save: database.prepare<Omit<BuildRecordRow, 'pinned'>>(
      'INSERT INTO build_records (ref, record, completed) VALUES (@ref, @record, @completed)',
    ),
    saveBlob: database.prepare<BuildBlob & { ref: string }>(
      'INSERT OR IGNORE INTO build_record_blobs (ref, digest, data) VALUES (@ref, @digest, @data)',
    ),
    record: database.prepare<[string], BuildRecordRow>('SELECT * FROM build_records WHERE ref = ?'),
    records: database.prepare<[], BuildRecordRow>('SELECT * FROM build_records ORDER BY completed, rowid'),
    pin: database.prepare<[number, string]>('UPDATE build_records SET pinned = ? WHERE ref = ?'),
    delete: database.prepare<[string]>('DELETE FROM build_records WHERE ref = ?'),
    expire: database.prepare<[number]>(
      `DELETE FROM build_records WHERE ref IN
         (SELECT ref FROM build_records WHERE pinned = 0 ORDER BY completed DESC, rowid DESC LIMIT -1 OFFSET ?)`,
    ),
    blob: database.prepare<[string], { data: Buffer }>('SELECT data FROM build_record_blobs WHERE digest = ? LIMIT 1'),
  };
}
