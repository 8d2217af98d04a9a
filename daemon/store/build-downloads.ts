import type { Database } from './database.js';

/** A version of a file. */
interface FileVersion {
  name: string;
  digest: string;
  etag: string | undefined;
}

interface Row {
  url: string;
  name: string;
  digest: string;
  etag: string;
  saved: number;
}

/** Of more, the oldest are forgotten. */
const maximumRows = 1000;

/** The build_downloads table. */
export class BuildDownloadStore {
  readonly #find;
  readonly #save;
  readonly #expire;

  constructor(database: Database) {
    this.#find = database.prepare<[string], Row>('SELECT * FROM build_downloads WHERE url = ?');
    this.#save = database.prepare<Row>(
      'REPLACE INTO build_downloads (url, name, digest, etag, saved) VALUES (@url, @name, @digest, @etag, @saved)',
    );
    this.#expire = database.prepare<[number]>(
      'DELETE FROM build_downloads WHERE url IN ' +
        '(SELECT url FROM build_downloads ORDER BY saved DESC, rowid DESC LIMIT -1 OFFSET ?)',
    );
  }

  find(url: string): FileVersion | undefined {
    return this.#find.get(url);
  }

  /** In place of another version; one that no server could be asked about is not kept. */
  save(url: string, { name, digest, etag }: FileVersion): void {
    if (etag === undefined) return;
    this.#save.run({ url, name, digest, etag, saved: Date.now() });
    this.#expire.run(maximumRows);
  }
}
