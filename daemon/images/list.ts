import { matchesGlob } from 'node:path';
import { invalid } from '../errors.js';
import type { Filters } from '../http/filters.js';
import { parseTime } from '../http/time.js';
import type { ImageStore } from '../store/images.js';
import { toImage, type Image, type Lookup } from './lookup.js';
import { familiarName, familiarReference, type Reference } from './reference.js';
import type { ImageUsers } from './users.js';

/** The filters of GET /images/json. */
export const listFilterNames = ['before', 'dangling', 'label', 'label!', 'reference', 'since', 'until'];

export interface ListOptions {
  all: boolean;
  sharedSize: boolean;
  filters: Filters;
}

/** An image of a list, before it takes the shape of an API version. */
export interface ListedImage {
  image: Image;
  tags: string[];
  digests: string[];
  containers: number;
  /** Bytes of layers that other images stand on as well; -1 when not asked for. */
  sharedSize: number;
}

/** Newest first. Images without a name on which others are built are left out unless `all`. */
export function listImages(store: ImageStore, lookup: Lookup, users: ImageUsers, options: ListOptions): ListedImage[] {
  const { filters } = options;
  const matches = compileFilters(filters, lookup);
  for (const pattern of filters.get('reference')) checkPattern(pattern);
  const tags = groupNames(store.allTags(), 'tag');
  const digests = groupNames(store.allDigests(), 'digest');
  const shared = options.sharedSize ? sharedSizes(store) : undefined;
  const dangling = filters.has('dangling') ? filters.boolean('dangling', false) : undefined;
  const rows = store.visibleImages();
  const parents = new Set(rows.map((row) => row.parent_id));
  const listed: ListedImage[] = [];
  for (const image of rows.map(toImage)) {
    const names = [...(tags.get(image.id) ?? []), ...(digests.get(image.id) ?? [])];
    const isDangling = names.length === 0;
    if (dangling !== undefined && dangling !== isDangling) continue;
    if (isDangling && !options.all && parents.has(image.id)) continue;
    if (!matches(image)) continue;
    const shown = filters.has('reference')
      ? names.filter((name) => matchesReference(filters.get('reference'), name))
      : names;
    if (filters.has('reference') && shown.length === 0) continue;
    listed.push({
      image,
      tags: shown.filter((name) => name.tag !== undefined).map(familiarReference),
      digests: shown.filter((name) => name.digest !== undefined).map(familiarReference),
      containers: users.containersUsing(image.id).length,
      sharedSize: shared ? (shared.get(image.id) ?? 0) : -1,
    });
  }
  return listed;
}

/** Whether one of the patterns (as a shell's, `*` not crossing a slash) fits the name, with or without its tag. */
export function matchesReference(patterns: readonly string[], name: Reference): boolean {
  const whole = familiarReference(name);
  const repository = familiarName(name.repository);
  return patterns.some((pattern) => matchesGlob(whole, pattern) || matchesGlob(repository, pattern));
}

/** @throws GantryError invalid for a bracket that is not closed, or a backslash before nothing, which match nothing */
function checkPattern(pattern: string): void {
  const rest = pattern.replace(/\\[\s\S]/g, '').replace(/\[[^\]]+\]/g, '');
  if (/[[\\]/.test(rest)) throw invalid('syntax error in pattern');
}

function compileFilters(filters: Filters, lookup: Lookup): (image: Image) => boolean {
  const before = Math.min(...filters.get('before').map((name) => lookup.resolve(name).created));
  const since = Math.max(...filters.get('since').map((name) => lookup.resolve(name).created));
  const until = Math.min(...filters.get('until').map(untilTime));
  return (image) =>
    image.created < Math.min(before, until) && image.created > since && filters.labels(image.config.Labels);
}

/** Milliseconds since the epoch. */
export function untilTime(text: string): number {
  try {
    return parseTime(text).milliseconds;
  } catch (cause) {
    throw invalid(`failed to parse value as time or duration: "${text}"`, cause);
  }
}

function groupNames(
  rows: { repository: string; reference: string; image_id: string }[],
  kind: 'tag' | 'digest',
): Map<string, Reference[]> {
  const groups = new Map<string, Reference[]>();
  for (const { repository, reference, image_id } of rows) {
    const group = groups.get(image_id);
    const name: Reference = kind === 'tag' ? { repository, tag: reference } : { repository, digest: reference };
    if (group) group.push(name);
    else groups.set(image_id, [name]);
  }
  return groups;
}

function sharedSizes(store: ImageStore): Map<string, number> {
  const use = store.layerUse();
  const counts = new Map<string, Set<string>>();
  for (const { chain_id, image_id } of use) {
    const images = counts.get(chain_id);
    if (images) images.add(image_id);
    else counts.set(chain_id, new Set([image_id]));
  }
  const sizes = new Map<string, number>();
  for (const { chain_id, image_id, size } of use) {
    if ((counts.get(chain_id)?.size ?? 0) > 1) sizes.set(image_id, (sizes.get(image_id) ?? 0) + size);
  }
  return sizes;
}
