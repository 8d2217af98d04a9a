import { invalid } from '../errors.js';
import type { ApiVersion } from '../http/version.js';

const KINDS = ['image', 'container', 'volume', 'build-cache'] as const;
export type UsageKind = (typeof KINDS)[number];

/** An element of the list of its noun, with the sizes that count here. */
export interface UsageItem {
  [member: string]: unknown;
}

/** One noun's share of GET /system/df. Sizes in bytes. */
export interface Usage {
  items: UsageItem[];
  totalSize: number;
  reclaimable: number;
  /** How many of the items something uses. */
  active: number;
}

export type UsageSources = Record<UsageKind, (version: ApiVersion) => Promise<Usage>>;

/** The kinds that a request asks for; all when it names none. @throws GantryError (invalid) */
export function requestedKinds(types: readonly string[]): Set<UsageKind> {
  for (const type of types) {
    if (!(KINDS as readonly string[]).includes(type)) throw invalid(`unknown object type: ${type}`);
  }
  return new Set(types.length > 0 ? (types as UsageKind[]) : KINDS);
}

/** GET /system/df. Since API 1.52 each noun has an object of its own, with its items only on demand. */
export async function diskUsage(
  sources: UsageSources,
  kinds: ReadonlySet<UsageKind>,
  version: ApiVersion,
  verbose: boolean,
): Promise<Record<string, unknown>> {
  const usage = async (kind: keyof UsageSources): Promise<Usage | undefined> =>
    kinds.has(kind) ? sources[kind](version) : undefined;
  const [images, containers, volumes, cache] = await Promise.all(
    (['image', 'container', 'volume', 'build-cache'] as const).map(usage),
  );
  if (!version.atLeast('1.52')) {
    return {
      LayersSize: images?.totalSize ?? 0,
      Images: images?.items ?? null,
      Containers: containers?.items ?? null,
      Volumes: volumes?.items ?? null,
      BuildCache: cache?.items ?? null,
    };
  }
  return {
    ...(images && { ImageUsage: summary(images, verbose) }),
    ...(containers && { ContainerUsage: summary(containers, verbose) }),
    ...(volumes && { VolumeUsage: summary(volumes, verbose) }),
    ...(cache && { BuildCacheUsage: summary(cache, verbose) }),
  };
}

function summary({ items, totalSize, reclaimable, active }: Usage, verbose: boolean): Record<string, unknown> {
  return {
    ActiveCount: active,
    TotalCount: items.length,
    Reclaimable: reclaimable,
    TotalSize: totalSize,
    ...(verbose && { Items: items }),
  };
}
