import type { TreeIndex } from './context-tree.js';
import type { FileStat } from './packets.js';

/** One file; an array, because there are tens of thousands of them. */
type Entry = [
  path: string,
  mode: number,
  size: number,
  seconds: number,
  nanoseconds: number,
  link: string,
  deviceMajor: number,
  deviceMinor: number,
];

/** What is kept on the disk of what a tree holds. */
export function encodeIndex(index: TreeIndex): string {
  const entries = Array.from(index.values(), (stat): Entry => {
    const { path, mode, size, seconds, nanoseconds, link, deviceMajor, deviceMinor } = stat;
    return [path, mode, size, seconds, nanoseconds, link, deviceMajor, deviceMinor];
  });
  return JSON.stringify(entries);
}

export function decodeIndex(bytes: Buffer): TreeIndex {
  const entries = JSON.parse(bytes.toString('utf8')) as Entry[];
  return new Map(entries.map((entry) => [entry[0], statOf(entry)]));
}

function statOf([path, mode, size, seconds, nanoseconds, link, deviceMajor, deviceMinor]: Entry): FileStat {
  return { path, mode, uid: 0, gid: 0, size, seconds, nanoseconds, link, deviceMajor, deviceMinor };
}
