import type { IdMap } from '../runtime/addon.js';

/** A line of /etc/subuid or /etc/subgid: ids that its owner may use. */
export interface SubordinateRange {
  /** A name, or a number in words. */
  owner: string;
  start: number;
  count: number;
}

const firstInvalidId = 0xffff_ffff;
/** What the kernel takes in one map. */
const maximumRanges = 340;

/**
 * Reads /etc/subuid or /etc/subgid; see subuid(5).
 * @throws Error naming the line that is wrong
 */
export function parseSubordinateRanges(text: string, file: string): SubordinateRange[] {
  const ranges: SubordinateRange[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.trim();
    if (content === '' || content.startsWith('#')) continue;
    const [owner = '', start, count, ...rest] = content.split(':');
    const range = { owner, start: idOf(start), count: idOf(count) };
    if (owner === '' || rest.length > 0 || !(range.start + range.count <= firstInvalidId)) {
      throw new Error(`${file}, line ${index + 1}: "${content}" is not name:first-id:count`);
    }
    ranges.push(range);
  }
  return ranges;
}

const idOf = (text: string | undefined): number => (text && /^\d{1,10}$/.test(text) ? Number(text) : NaN);

/**
 * The map of a user namespace whose ids are those of the ranges, one after the other.
 * @throws Error when the kernel would not take it, or when it would give a container what is the host's
 */
export function mapOfRanges(ranges: readonly SubordinateRange[], file: string): IdMap[] {
  const map: IdMap[] = [];
  let containerId = 0;
  for (const { owner, start, count } of ranges) {
    if (count === 0) continue;
    if (start === 0)
      throw new Error(`${file}: the range ${owner}:${start}:${count} would make a container root of the host`);
    const other = map.find(({ hostId, size }) => start < hostId + size && hostId < start + count);
    if (other) throw new Error(`${file}: the ranges of ${owner} that begin at ${other.hostId} and at ${start} overlap`);
    map.push({ containerId, hostId: start, size: count });
    containerId += count;
  }
  if (map.length > maximumRanges) throw new Error(`${file}: more than ${maximumRanges} ranges in one user namespace`);
  return map;
}

/** Where the next range can begin: beyond all that are given, and from 100000 on, as useradd and dockerd have it. */
export function nextFreeStart(ranges: readonly SubordinateRange[]): number {
  return Math.max(100_000, ...ranges.map(({ start, count }) => start + count));
}
