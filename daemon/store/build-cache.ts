import type { Database } from './database.js';

/** A step of a build that another build can use. Times in milliseconds since the epoch. */
export interface StepRow {
  key: string;
  /** Of the step, or the base image, that it was made on. */
  parent_key: string;
  /** Chain id of the layers below it; "" for none. */
  ground: string;
  /** Null, as its blob, for a step that changed no file. */
  chain_id: string | null;
  blob: string | null;
  description: string;
  size: number;
  created: number;
  last_used: number;
  uses: number;
}

/** A step with what is in the store of its layer: null for a step without one, and for a layer that has gone. */
export interface StoredStepRow extends Pick<StepRow, 'ground' | 'chain_id' | 'blob' | 'created'> {
  diff_id: string | null;
  blob_size: number | null;
}

export interface CacheMountRow {
  /** Of its directory. */
  name: string;
  /** What Dockerfiles call it. */
  id: string;
  created: number;
  last_used: number;
  uses: number;
}

/** What builds can use again. */
export class BuildCacheStore {
  readonly #statements;

  constructor(readonly database: Database) {
    this.#statements = prepareAll(database);
  }

  step(key: string): StepRow | undefined {
    return this.#statements.step.get(key);
  }

  storedStep(key: string): StoredStepRow | undefined {
    return this.#statements.storedStep.get(key);
  }

  /** In place of one of the same key. */
  saveStep(step: Omit<StepRow, 'uses'>): void {
    this.#statements.saveStep.run(step);
  }

  useSteps(keys: readonly string[], now: number): void {
    this.#statements.useSteps.run(now, JSON.stringify(keys));
  }

  steps(): StepRow[] {
    return this.#statements.steps.all();
  }

  deleteStep(key: string): void {
    this.#statements.deleteStep.run(key);
  }

  cacheMounts(): CacheMountRow[] {
    return this.#statements.cacheMounts.all();
  }

  useCacheMount(name: string, id: string, now: number): void {
    this.#statements.useCacheMount.run({ name, id, now });
  }

  deleteCacheMount(name: string): void {
    this.#statements.deleteCacheMount.run(name);
  }

  /** Layers that images name as well. */
  sharedLayers(): Set<string> {
    return new Set(this.#statements.sharedLayers.all().map((row) => row.chain_id));
  }
}

function prepareAll(database: Database) {
  return {
    step: database.prepare<[string], StepRow>('SELECT * FROM build_steps WHERE key = ?'),
    storedStep: database.prepare<[string], StoredStepRow>(
      // No JOIN: with a parameter beside it SQLite plans it anew at each run, which takes ten times as long.
      `SELECT ground, chain_id, blob, created,
         (SELECT diff_id FROM layers WHERE layers.chain_id = build_steps.chain_id) AS diff_id,
         (SELECT size FROM blobs WHERE digest = build_steps.blob) AS blob_size
       FROM build_steps WHERE key = ?`,
    ),
    saveStep: database.prepare<Omit<StepRow, 'uses'>>(
      `REPLACE INTO build_steps (key, parent_key, ground, chain_id, blob, description, size, created, last_used)
       VALUES (@key, @parent_key, @ground, @chain_id, @blob, @description, @size, @created, @last_used)`,
    ),
    useSteps: database.prepare<[number, string]>(
      'UPDATE build_steps SET last_used = ?, uses = uses + 1 WHERE key IN (SELECT value FROM json_each(?))',
    ),
    steps: database.prepare<[], StepRow>('SELECT * FROM build_steps ORDER BY last_used, created, key'),
    deleteStep: database.prepare<[string]>('DELETE FROM build_steps WHERE key = ?'),
    cacheMounts: database.prepare<[], CacheMountRow>('SELECT * FROM build_cache_mounts ORDER BY last_used, name'),
    useCacheMount: database.prepare<{ name: string; id: string; now: number }>(
      `INSERT INTO build_cache_mounts (name, id, created, last_used) VALUES (@name, @id, @now, @now)
       ON CONFLICT (name) DO UPDATE SET last_used = @now, uses = uses + 1`,
    ),
    deleteCacheMount: database.prepare<[string]>('DELETE FROM build_cache_mounts WHERE name = ?'),
    sharedLayers: database.prepare<[], { chain_id: string }>(
      'SELECT DISTINCT chain_id FROM build_steps WHERE chain_id IN (SELECT chain_id FROM image_layers)',
    ),
  };
}
