import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

/** One record of a json-file log, as the shim and Docker write it. */
export interface LogEntry {
  log: string;
  stream: 'stdout' | 'stderr';
  time: string;
  attrs?: Record<string, string>;
}

const chunkSize = 512 * 1024;

/**
 * Reads the files of a log in the order in which they were written, following rotation: `x.log.2`, `x.log.1`, `x.log`.
 * Records that are only partly written are left for the next read.
 */
export class LogFileReader {
  #fd: number | undefined;
  #offset = 0;
  #partial = '';
  readonly #decoder = new TextDecoder();
  #buffer = Buffer.allocUnsafe(chunkSize);

  constructor(readonly path: string) {}

  /** Begins with the oldest file. */
  openOldest(): void {
    let oldest = 0;
    while (exists(`${this.path}.${oldest + 1}`)) oldest++;
    this.#open(oldest);
  }

  /** Begins so far from the end that `lines` complete records follow. */
  openTail(lines: number): void {
    let missing = lines;
    for (let index = 0; ; index++) {
      if (!exists(this.#name(index))) {
        if (index > 0) this.#open(index - 1);
        return;
      }
      const { offset, found } = tailOffset(this.#name(index), missing);
      missing -= found;
      if (missing > 0) continue;
      this.#open(index);
      this.#offset = offset;
      return;
    }
  }

  /** The next records; none when the end has been reached for now. */
  read(): LogEntry[] {
    for (;;) {
      if (this.#fd === undefined && !this.#open(0)) return [];
      const length = readSync(this.#fd!, this.#buffer, 0, chunkSize, this.#offset);
      if (length === 0) {
        if (!this.#advance()) return [];
        continue;
      }
      this.#offset += length;
      const entries = this.#parse(this.#decoder.decode(this.#buffer.subarray(0, length), { stream: true }));
      if (entries.length > 0) return entries;
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #name(index: number): string {
    return index === 0 ? this.path : `${this.path}.${index}`;
  }

  #open(index: number): boolean {
    this.close();
    try {
      this.#fd = openSync(this.#name(index), 'r');
    } catch {
      return false;
    }
    this.#offset = 0;
    this.#partial = '';
    return true;
  }

  /** Moves to the file written after the one that is open, if there is one by now. */
  #advance(): boolean {
    const { ino } = fstatSync(this.#fd!);
    for (let index = 0; ; index++) {
      const inode = inodeOf(this.#name(index));
      if (inode === undefined) return this.#open(0); // rotated away entirely
      if (inode === ino) return index > 0 && this.#open(index - 1);
    }
  }

  /** All complete lines are parsed as one array, which is several times faster than one by one. */
  #parse(text: string): LogEntry[] {
    const end = text.lastIndexOf('\n');
    if (end < 0) {
      this.#partial += text;
      return [];
    }
    const complete = this.#partial + text.slice(0, end);
    this.#partial = text.slice(end + 1);
    try {
      return JSON.parse(`[${complete.replaceAll('\n', ',')}]`) as LogEntry[];
    } catch {
      return complete.split('\n').flatMap(parseLine);
    }
  }
}

/** A line that is not a record (a disk that was full, a hand that edited) is left out. */
function parseLine(line: string): LogEntry[] {
  try {
    return [JSON.parse(line) as LogEntry];
  } catch {
    return [];
  }
}

/** Where the last `lines` lines of a file begin, and how many of them it has. */
function tailOffset(path: string, lines: number): { offset: number; found: number } {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.allocUnsafe(64 * 1024);
    let found = 0;
    for (let end = size; end > 0;) {
      const start = Math.max(0, end - buffer.length);
      const length = readSync(fd, buffer, 0, end - start, start);
      for (let at = length - 1; at >= 0; at--) {
        // The newline that ends the file ends its last line, and begins none.
        if (buffer[at] !== 10 || start + at === size - 1) continue;
        if (++found === lines) return { offset: start + at + 1, found };
      }
      end = start;
    }
    return { offset: 0, found: size > 0 ? found + 1 : 0 };
  } finally {
    closeSync(fd);
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

const exists = (path: string): boolean => inodeOf(path) !== undefined;
