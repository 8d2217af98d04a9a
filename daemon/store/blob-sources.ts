import type { Database } from './database.js';

/** A layer as a repository has it. */
export interface BlobSource {
  digest: string;
  repository: string;
  diff_id: string;
  size: number;
  media_type: string;
}

/** Enough to find a repository to mount from; a layer that everything stands on is in any number of them. */
const maxSourcesOfLayer = 50;

/** What is known of the blobs that registries have. */
export class BlobSourceStore {
  readonly #statements;

  constructor(readonly database: Database) {
    this.#statements = prepareAll(database);
  }

  /** A repository was seen to have a layer. */
  record(source: BlobSource): void {
    this.#statements.record.run({ ...source, seen: Date.now() });
    this.#statements.trim.run(source.diff_id, source.diff_id, maxSourcesOfLayer);
  }

  /** A repository turned out not to have it. */
  forget(digest: string, repository: string): void {
    this.#statements.forget.run(digest, repository);
  }

  /** The forms and places of a layer, last seen first. */
  ofLayer(diffId: string): BlobSource[] {
    return this.#statements.ofLayer.all(diffId);
  }

  /** Drops what is known of layers that are here no more. */
  collectGarbage(): void {
    this.#statements.collect.run();
  }
}

function prepareAll(database: Database) {
  return {
    record: database.prepare<BlobSource & { seen: number }>(
      `REPLACE INTO blob_sources (digest, repository, diff_id, size, media_type, seen)
       VALUES (@digest, @repository, @diff_id, @size, @media_type, @seen)`,
    ),
    trim: database.prepare<[string, string, number]>(
      `DELETE FROM blob_sources WHERE diff_id = ? AND (digest, repository) NOT IN
       (SELECT digest, repository FROM blob_sources WHERE diff_id = ? ORDER BY seen DESC LIMIT ?)`,
    ),
    forget: database.prepare<[string, string]>('DELETE FROM blob_sources WHERE digest = ? AND repository = ?'),
    ofLayer: database.prepare<[string], BlobSource>(
      `SELECT digest, repository, diff_id, size, media_type FROM blob_sources
       WHERE diff_id = ? ORDER BY seen DESC, repository`,
    ),
    collect: database.prepare<[]>('DELETE FROM blob_sources WHERE diff_id NOT IN (SELECT diff_id FROM layers)'),
  };
}
