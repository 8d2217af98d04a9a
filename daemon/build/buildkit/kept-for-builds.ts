import { invalid } from '../../errors.js';
import type { UsageRecord } from '../../generated/rpc/moby/buildkit/v1/UsageRecord.js';
import type { Content } from '../../images/content.js';
import type { BuildCacheStore } from '../../store/build-cache.js';
import type { CacheMounts } from '../cache-mounts.js';
import { timestamp } from './build-status.js';
import type { ContextStore } from './context-store.js';
import type { BuildCacheUsage } from './control.js';

/** Something that is kept for later builds. */
interface Kept {
  record: UsageRecord & { id: string; size: number };
  lastUsed: number;
  /** Without it nothing of an image is lost. */
  isShared: boolean;
  inUse: boolean;
  remove: () => Promise<void>;
}

/** Steps, cache mounts and contexts, for `docker buildx du` and `prune`. */
export class KeptForBuilds implements BuildCacheUsage {
  constructor(
    readonly cache: BuildCacheStore,
    readonly mounts: CacheMounts,
    readonly contexts: ContextStore,
    readonly content: Pick<Content, 'sweep'>,
  ) {}

  async list(filters: readonly string[]): Promise<UsageRecord[]> {
    const matches = filterOf(filters);
    return (await this.#all()).filter(matches).map(({ record }) => record);
  }

  async prune(
    options: { filters: readonly string[]; all: boolean; keepMilliseconds: number; keepBytes: number },
    removed: (record: UsageRecord) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const matches = filterOf(options.filters);
    const all = await this.#all();
    let bytes = all.reduce((sum, { record }) => sum + record.size, 0);
    for (const kept of all.sort((one, other) => one.lastUsed - other.lastUsed)) {
      if (signal.aborted) break;
      const isYoung = Date.now() - kept.lastUsed < options.keepMilliseconds;
      if (kept.inUse || isYoung || !matches(kept) || (kept.isShared && !options.all)) continue;
      if (options.keepBytes > 0 && bytes <= options.keepBytes) break;
      await kept.remove();
      bytes -= kept.record.size;
      await removed(kept.record);
    }
    this.content.sweep();
  }

  async #all(): Promise<Kept[]> {
    return [...this.#steps(), ...(await this.#cacheMounts()), ...this.#contexts()];
  }

  #steps(): Kept[] {
    const shared = this.cache.sharedLayers();
    return this.cache.steps().map((step) => {
      const isShared = step.chain_id !== null && shared.has(step.chain_id);
      const remove = (): Promise<void> => Promise.resolve(this.cache.deleteStep(step.key));
      const parents = step.parent_key === '' ? [] : [shortId(step.parent_key)];
      const facts = { ...step, isShared, inUse: false, remove };
      return keptOf(shortId(step.key), 'regular', facts, parents);
    });
  }

  #cacheMounts(): Promise<Kept[]> {
    return Promise.all(
      this.cache.cacheMounts().map(async (mount) => {
        const size = await this.mounts.size(mount);
        const description = `cache mount ${mount.id}`;
        const remove = (): Promise<void> => this.mounts.remove(mount);
        const facts = { ...mount, size, description, isShared: false, inUse: this.mounts.isUsed(mount.name), remove };
        return keptOf(mount.name, 'exec.cachemount', facts);
      }),
    );
  }

  #contexts(): Kept[] {
    return this.contexts.list().map((context) => {
      const remove = async (): Promise<void> => void (await this.contexts.remove(context.id));
      const facts = { ...context, description: `local source for ${context.name}`, isShared: false, remove };
      return keptOf(context.id, 'source.local', facts);
    });
  }
}

const shortId = (key: string): string => key.replace(/^sha256:/, '').slice(0, 25);

interface Facts {
  size: number;
  description: string;
  created: number;
  last_used: number;
  uses: number;
  isShared: boolean;
  inUse: boolean;
  remove: () => Promise<void>;
}

function keptOf(id: string, recordType: string, facts: Facts, parents: string[] = []): Kept {
  const { size, description, created, last_used: lastUsed, uses, isShared, inUse, remove } = facts;
  const times = { createdAt: timestamp(new Date(created)), lastUsedAt: timestamp(new Date(lastUsed)) };
  const mutable = recordType !== 'regular';
  const counted = { usageCount: uses, description, recordType, shared: isShared, parents };
  return { record: { id, mutable, inUse, size, ...times, ...counted }, lastUsed, isShared, inUse, remove };
}

type Filter = (kept: Kept) => boolean;

/** As containerd writes them: "type==source.local", several joined by commas; one of the filters has to match. */
function filterOf(filters: readonly string[]): Filter {
  const alternatives = filters.map((filter) => filter.split(',').map(condition));
  if (alternatives.length === 0) return () => true;
  return (kept) => alternatives.some((conditions) => conditions.every((matches) => matches(kept)));
}

function condition(text: string): Filter {
  const [, name = '', operator, value = ''] = /^(\w+)(?:(==|!=|~=)(.*))?$/.exec(text) ?? [];
  const field = fields[name];
  if (!field) throw invalid(`invalid filter "${text}"`);
  switch (operator) {
    case '==':
      return (kept) => field(kept) === value;
    case '!=':
      return (kept) => field(kept) !== value;
    case '~=':
      return (kept) => field(kept).includes(value);
    default:
      return (kept) => field(kept) === 'true';
  }
}

const fields: Readonly<Record<string, (kept: Kept) => string>> = {
  id: ({ record }) => record.id,
  type: ({ record }) => record.recordType ?? '',
  description: ({ record }) => record.description ?? '',
  parents: ({ record }) => (record.parents ?? []).join(','),
  inuse: ({ inUse }) => String(inUse),
  mutable: ({ record }) => String(record.mutable ?? false),
  immutable: ({ record }) => String(!record.mutable),
  shared: ({ isShared }) => String(isShared),
  private: ({ isShared }) => String(!isShared),
};
