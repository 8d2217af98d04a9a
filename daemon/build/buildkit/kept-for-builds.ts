import { invalid } from '../../errors.js';
import type { PruneRequest__Output } from '../../generated/rpc/moby/buildkit/v1/PruneRequest.js';
import type { UsageRecord } from '../../generated/rpc/moby/buildkit/v1/UsageRecord.js';
import type { CacheRecord, CacheUsage } from '../cache-usage.js';
import { timestamp } from './build-status.js';

const nanosecondsPerMillisecond = 1_000_000;

/** What is kept for later builds, for `docker buildx du`. */
export async function listKept(usage: CacheUsage, filters: readonly string[]): Promise<UsageRecord[]> {
  const matches = filterOf(filters);
  return (await usage.list()).filter(matches).map(usageRecord);
}

/** `docker buildx prune`. @returns what is gone */
export async function pruneKept(usage: CacheUsage, request: PruneRequest__Output): Promise<UsageRecord[]> {
  const removed = await usage.prune({
    matches: filterOf(request.filter),
    until: request.keepDuration > 0 ? Date.now() - request.keepDuration / nanosecondsPerMillisecond : Infinity,
    all: request.all,
    keepBytes: request.reservedSpace,
    maxBytes: request.maxUsedSpace,
    freeBytes: request.minFreeSpace,
  });
  return removed.map(usageRecord);
}

function usageRecord(record: CacheRecord): UsageRecord {
  return {
    id: shortId(record.id),
    mutable: record.type !== 'regular',
    inUse: record.inUse,
    size: record.size,
    createdAt: timestamp(new Date(record.created)),
    lastUsedAt: timestamp(new Date(record.lastUsed)),
    usageCount: record.uses,
    description: record.description,
    recordType: record.type,
    shared: record.shared,
    parents: record.parents.map(shortId),
  };
}

/** As long as BuildKit's: clients print them in a column. */
const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 25);

type Filter = (record: CacheRecord) => boolean;

/** As containerd writes them: "type==source.local", several joined by commas; one of the filters has to match. */
function filterOf(filters: readonly string[]): Filter {
  // Clients send an empty one for none.
  const alternatives = filters.filter((text) => text !== '').map((text) => text.split(',').map(condition));
  if (alternatives.length === 0) return () => true;
  return (record) => alternatives.some((conditions) => conditions.every((matches) => matches(record)));
}

function condition(text: string): Filter {
  const [, name = '', operator, value = ''] = /^(\w+)(?:(==|!=|~=)(.*))?$/.exec(text) ?? [];
  const field = fields[name];
  if (!field) throw invalid(`invalid filter "${text}"`);
  switch (operator) {
    case '==':
      return (record) => field(record) === value;
    case '!=':
      return (record) => field(record) !== value;
    case '~=':
      return (record) => field(record).includes(value);
    default:
      return (record) => field(record) === 'true';
  }
}

const fields: Readonly<Record<string, (record: CacheRecord) => string>> = {
  id: ({ id }) => shortId(id),
  type: ({ type }) => type,
  description: ({ description }) => description,
  parents: ({ parents }) => parents.map(shortId).join(','),
  inuse: ({ inUse }) => String(inUse),
  mutable: ({ type }) => String(type !== 'regular'),
  immutable: ({ type }) => String(type === 'regular'),
  shared: ({ shared }) => String(shared),
  private: ({ shared }) => String(!shared),
};
