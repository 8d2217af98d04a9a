import { closeSync, writeSync } from 'node:fs';
import { invalid } from '../../errors.js';
import type { TreeWriter } from '../../runtime/addon.js';
import type { TransferTarget } from './file-transfer.js';
import { hasContent, isDirectory, isRegular, isSymbolicLink, permissions, specialType } from './file-types.js';
import type { FileStat } from './packets.js';

/** What is known of each file of a tree: by path, what the client said of it when it came. */
export type TreeIndex = Map<string, FileStat>;

/** Smaller files are written in one go. */
const smallFile = 64 * 1024;

/** A file whose content is coming. */
interface Incoming {
  /** What came of a small file. */
  pieces: Uint8Array[];
  size: number;
  descriptor: number | undefined;
}

/** Makes a tree on the disk what the client says it is; of what is there already only what has changed is written. */
export class ContextTreeUpdate implements TransferTarget {
  readonly index: TreeIndex = new Map();
  /** Whether anything on the disk has changed. */
  changed = false;
  readonly #incoming = new Map<string, Incoming>();
  /** Those whose mode or time is not as the client says. */
  readonly #directories = new Set<string>();
  readonly #hardLinks: FileStat[] = [];

  /** @param known what the tree holds; empty for an empty one */
  constructor(
    readonly writer: TreeWriter,
    readonly known: TreeIndex,
  ) {}

  stat(stat: FileStat): boolean {
    const before = this.known.get(stat.path);
    const isSame = before !== undefined && sameFile(before, stat);
    // Of two that say the same the older one lives on: the other is gone before it costs anything.
    this.index.set(stat.path, isSame ? before : stat);
    if (isSame && !this.#targetChanged(stat)) return false;
    this.#touch(stat.path);
    if (isDirectory(stat.mode)) this.#directory(stat, before);
    else this.#replace(stat, before);
    return hasContent(stat);
  }

  allKnown(): void {
    for (const path of this.known.keys()) {
      if (this.index.has(path)) continue;
      this.#touch(path);
      this.writer.remove(path);
    }
  }

  content(stat: FileStat, data: Uint8Array): void {
    const incoming = this.#incoming.get(stat.path) ?? this.#begin(stat);
    incoming.size += data.length;
    if (incoming.descriptor === undefined && incoming.size <= smallFile) {
      incoming.pieces.push(data);
      return;
    }
    incoming.descriptor ??= this.writer.createFile(stat.path);
    for (const piece of incoming.pieces.splice(0)) writeAll(incoming.descriptor, piece);
    writeAll(incoming.descriptor, data);
  }

  contentEnd(stat: FileStat): void {
    const { pieces, descriptor } = this.#incoming.get(stat.path) ?? this.#begin(stat);
    this.#incoming.delete(stat.path);
    const mode = permissions(stat.mode);
    if (descriptor === undefined) {
      const content = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
      this.writer.writeFile(stat.path, mode, stat.seconds, stat.nanoseconds, content);
      return;
    }
    try {
      this.writer.finishFile(descriptor, mode, stat.seconds, stat.nanoseconds);
    } finally {
      closeSync(descriptor);
    }
  }

  /** To be called when everything has come: links to files, and times of directories, which their files have changed. */
  finish(): void {
    for (const { path, link } of this.#hardLinks) {
      const target = this.index.get(link);
      if (!target || !isRegular(target.mode) || target.link !== '') {
        throw invalid(`the client named a hard link to what is no file: ${path}`);
      }
      this.writer.makeHardLink(path, link);
    }
    for (const path of this.#directories) {
      const stat = this.index.get(path);
      if (stat) this.writer.setMetadata(path, permissions(stat.mode), stat.seconds, stat.nanoseconds);
    }
  }

  /** Closes what a transfer that failed has left open. */
  abandon(): void {
    for (const { descriptor } of this.#incoming.values()) if (descriptor !== undefined) closeSync(descriptor);
    this.#incoming.clear();
  }

  /** Before the first change. */
  onChange: () => void = () => undefined;

  #touch(path: string): void {
    if (path.includes('/')) this.#directories.add(path.slice(0, path.lastIndexOf('/')));
    if (this.changed) return;
    this.changed = true;
    this.onChange();
  }

  #begin({ path }: FileStat): Incoming {
    const incoming: Incoming = { pieces: [], size: 0, descriptor: undefined };
    this.#incoming.set(path, incoming);
    return incoming;
  }

  #directory(stat: FileStat, before: FileStat | undefined): void {
    if (before && !isDirectory(before.mode)) this.writer.remove(stat.path);
    if (!before || !isDirectory(before.mode)) this.writer.makeDirectory(stat.path, 0o700);
    this.#directories.add(stat.path);
  }

  #replace(stat: FileStat, before: FileStat | undefined): void {
    if (before) this.writer.remove(stat.path);
    const { path, mode, seconds, nanoseconds, link } = stat;
    if (isSymbolicLink(mode)) {
      this.writer.makeSymbolicLink(path, link, seconds, nanoseconds);
    } else if (!isRegular(mode)) {
      const type = specialType(mode);
      if (type === undefined) throw invalid(`the build context holds something that cannot be sent: ${path}`);
      const bits = type | permissions(mode);
      this.writer.makeSpecial(path, bits, seconds, nanoseconds, stat.deviceMajor, stat.deviceMinor);
    } else if (link !== '') {
      this.#hardLinks.push(stat);
    } else if (stat.size === 0) {
      this.writer.writeFile(path, permissions(mode), seconds, nanoseconds, new Uint8Array());
    }
  }

  /** A hard link has to be made again when its file is. */
  #targetChanged(stat: FileStat): boolean {
    if (!isRegular(stat.mode) || stat.link === '') return false;
    const before = this.known.get(stat.link);
    const now = this.index.get(stat.link);
    return !before || !now || !sameFile(before, now);
  }
}

/** Nothing that is known of it without its content has changed: as rsync and BuildKit judge. */
function sameFile(before: FileStat, now: FileStat): boolean {
  if (before.mode !== now.mode || before.link !== now.link) return false;
  // The size and the time of a directory are those of its list of names.
  if (isDirectory(now.mode)) return before.seconds === now.seconds && before.nanoseconds === now.nanoseconds;
  return (
    before.size === now.size &&
    before.seconds === now.seconds &&
    before.nanoseconds === now.nanoseconds &&
    before.deviceMajor === now.deviceMajor &&
    before.deviceMinor === now.deviceMinor
  );
}

function writeAll(descriptor: number, data: Uint8Array): void {
  for (let offset = 0; offset < data.length;) offset += writeSync(descriptor, data, offset);
}
