import type { Database } from './database.js';

export interface EventRecord {
  /** Grows with every event and is never given twice. */
  id: number;
  /** Nanoseconds since 1970. */
  time: bigint;
  type: string;
  action: string;
  actorId: string;
  attributes: Record<string, string>;
  scope: 'local' | 'swarm';
}

interface Row {
  id: bigint;
  time: bigint;
  type: string;
  action: string;
  actor: string;
  attributes: string;
  scope: 'local' | 'swarm';
}

/** Trimming costs more than an insert, so it happens once for this many. */
const TRIM_INTERVAL = 1024;

/** The history of events, of which the newest `capacity` are kept. */
export class EventStore {
  readonly #insert;
  readonly #after;
  readonly #trim;
  #lastId: number;

  constructor(
    database: Database,
    readonly capacity = 100_000,
  ) {
    this.#insert = database.prepare<[number, bigint, string, string, string, string, string]>(
      'INSERT INTO events (id, time, type, action, actor, attributes, scope) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#after = database
      .prepare<[number, bigint, bigint, number], Row>(
        'SELECT * FROM events WHERE id > ? AND time >= ? AND time <= ? ORDER BY id LIMIT ?',
      )
      .safeIntegers();
    this.#trim = database.prepare<[number]>('DELETE FROM events WHERE id <= ?');
    const newest = database.prepare<[], { id: number | null }>('SELECT max(id) AS id FROM events').get();
    this.#lastId = newest?.id ?? 0;
    this.#trim.run(this.#lastId - capacity);
  }

  /** Of the newest event ever stored. */
  get lastId(): number {
    return this.#lastId;
  }

  insert(event: Omit<EventRecord, 'id'>): void {
    const id = this.#lastId + 1;
    const attributes = JSON.stringify(event.attributes);
    this.#insert.run(id, event.time, event.type, event.action, event.actorId, attributes, event.scope);
    this.#lastId = id;
    if (id % TRIM_INTERVAL === 0) this.#trim.run(id - this.capacity);
  }

  /** Events after `id` between two times (both included), oldest first. */
  after(id: number, since: bigint, until: bigint, limit: number): EventRecord[] {
    return this.#after.all(id, since, until, limit).map(({ actor, attributes, ...row }) => ({
      ...row,
      id: Number(row.id),
      actorId: actor,
      attributes: JSON.parse(attributes) as Record<string, string>,
    }));
  }
}
