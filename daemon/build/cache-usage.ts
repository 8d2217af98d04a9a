import { statfsSync } from 'node:fs';
import type { Filters } from '../http/filters.js';
import { parseDuration } from '../http/time.js';
import { invalid } from '../errors.js';
import type { Content } from '../images/content.js';
import type { BuildCacheStore } from '../store/build-cache.js';
import type { CacheMounts } from './cache-mounts.js';

/** A step, a cache directory or the files of a client, as `system df` and `prune` see it. */
export interface CacheRecord {
  id: string;
  parents: string[];
  type: 'regular' | 'exec.cachemount' | 'source.local';
  description: string;
  inUse: boolean;
  /** An image has the same layer: removing the record frees nothing. */
  shared: boolean;
  size: number;
  created: number;
  lastUsed: number;
  uses: number;
}

/** The trees of files that clients have sent. */
export interface KeptContexts {
  list(): readonly {
    id: string;
    name: string;
    size: number;
    created: number;
    last_used: number;
    uses: number;
    inUse: boolean;
  }[];
  /** Removes one, unless a build reads it. */
  remove(id: string): Promise<boolean>;
}

export interface PruneOptions {
  matches: (record: CacheRecord) => boolean;
  /** Records that were used later than this, in milliseconds since the epoch, stay. */
  until: number;
  /** Also what images share. */
  all: boolean;
  /** Bytes that may stay, those used last. */
  keepBytes: number;
  /** Bytes that may stay at most. */
  maxBytes: number;
  /** Bytes that shall be free on the disk; then the rest may stay. */
  freeBytes: number;
}

/** The filters of POST /build/prune. */
export const cacheFilterNames = ['until', 'id', 'parents', 'type', 'description', 'inuse', 'shared', 'private'];

/** What is kept for later builds: how much it is, and getting rid of it. */
export class CacheUsage {
  constructor(
    readonly store: BuildCacheStore,
    readonly mounts: CacheMounts,
    readonly contexts: KeptContexts,
    readonly content: Content,
  ) {}

  /** What was used last comes last. */
  async list(): Promise<CacheRecord[]> {
    const shared = this.store.sharedLayers();
    const steps = this.store.steps().map((row): CacheRecord => ({
      id: row.key,
      parents: this.store.step(row.parent_key) ? [row.parent_key] : [],
      type: 'regular',
      description: row.description,
      inUse: false,
      shared: row.chain_id !== null && shared.has(row.chain_id),
      size: row.size,
      created: row.created,
      lastUsed: row.last_used,
      uses: row.uses,
    }));
    const mounts = await Promise.all(
      this.store.cacheMounts().map(async (row): Promise<CacheRecord> => ({
        id: row.name,
        parents: [],
        type: 'exec.cachemount',
        description: `cached mount ${row.id}`,
        inUse: this.mounts.isUsed(row.name),
        shared: false,
        size: await this.mounts.size(row),
        created: row.created,
        lastUsed: row.last_used,
        uses: row.uses,
      })),
    );
    const contexts = this.contexts.list().map((row): CacheRecord => ({
      ...row,
      parents: [],
      type: 'source.local',
      description: `local source for ${row.name}`,
      shared: false,
      lastUsed: row.last_used,
    }));
    return [...steps, ...mounts, ...contexts].sort((a, b) => a.lastUsed - b.lastUsed);
  }

  /** Removes records, those first that were not used for the longest time, and with each the steps that stand on it. */
  async prune(options: PruneOptions): Promise<CacheRecord[]> {
    const { matches, until } = options;
    const records = await this.list();
    const removed = new Map<string, CacheRecord>();
    let left = records.reduce((sum, { size }) => sum + size, 0);
    for (const record of records) {
      if (removed.has(record.id) || record.inUse || record.lastUsed > until) continue;
      if (!matches(record) || (record.shared && !options.all)) continue;
      if (this.#mayStay(left, options)) break;
      for (const each of withDependents(record, records)) {
        if (removed.has(each.id)) continue;
        removed.set(each.id, each);
        left -= each.size;
        await this.#remove(each);
      }
    }
    this.content.sweep();
    return [...removed.values()];
  }

  async #remove({ id, type }: CacheRecord): Promise<void> {
    if (type === 'regular') return this.store.deleteStep(id);
    if (type === 'source.local') return void (await this.contexts.remove(id));
    const row = this.store.cacheMounts().find(({ name }) => name === id);
    if (row) await this.mounts.remove(row);
  }

  #mayStay(left: number, { keepBytes, maxBytes, freeBytes }: PruneOptions): boolean {
    if (keepBytes > 0 && left <= keepBytes) return true;
    if (maxBytes === 0 && freeBytes === 0) return false;
    const isSmall = maxBytes === 0 || left <= maxBytes;
    if (freeBytes === 0) return isSmall;
    const { bavail, bsize } = statfsSync(this.content.directories.layers);
    return isSmall && bavail * bsize >= freeBytes;
  }
}

/** A record and all that were made on it. */
function withDependents(record: CacheRecord, records: readonly CacheRecord[]): CacheRecord[] {
  const found = [record];
  for (let index = 0; index < found.length; index++) {
    const { id } = found[index]!;
    for (const each of records) if (each.parents.includes(id) && !found.includes(each)) found.push(each);
  }
  return found;
}

/** What the filters of POST /build/prune select. @throws GantryError invalid */
export function selection(filters: Filters): Pick<PruneOptions, 'matches' | 'until'> {
  return { until: untilOf(filters), matches: (record) => matchesAll(record, filters) };
}

function untilOf(filters: Filters): number {
  const [text, more] = filters.get('until');
  if (text === undefined) return Infinity;
  if (more !== undefined) throw invalid('filters expect only one value for until');
  const duration = parseDuration(text);
  if (duration === undefined) throw invalid(`invalid filter 'until=${text}': give a duration as "24h"`);
  return Date.now() - Number(duration / 1_000_000n);
}

function matchesAll(record: CacheRecord, filters: Filters): boolean {
  const oneOf = (name: string, test: (value: string) => boolean): boolean => {
    const values = filters.get(name);
    return values.length === 0 || values.some(test);
  };
  return (
    oneOf('id', (value) => record.id.startsWith(value)) &&
    oneOf('parents', (value) => record.parents.includes(value)) &&
    oneOf('type', (value) => record.type === value) &&
    oneOf('description', (value) => record.description.includes(value)) &&
    oneOf('inuse', (value) => String(record.inUse) === (value || 'true')) &&
    oneOf('shared', (value) => String(record.shared) === (value || 'true')) &&
    oneOf('private', (value) => String(!record.shared) === (value || 'true'))
  );
}
