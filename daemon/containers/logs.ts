import { watch, type FSWatcher } from 'node:fs';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { invalid, unsupported } from '../errors.js';
import type { Container } from './container.js';
import type { ContainerDirectories } from './directories.js';
import { LogFileReader, type LogEntry } from './log-file.js';
import { toNanoseconds } from './timestamp.js';

export interface LogOptions {
  stdout: boolean;
  stderr: boolean;
  follow: boolean;
  timestamps: boolean;
  details: boolean;
  /** Nanoseconds since 1970. */
  since?: bigint | undefined;
  until?: bigint | undefined;
  /** How many of the last lines; all when absent. */
  tail?: number | undefined;
}

/** A change that inotify did not report is found after so many milliseconds. */
const pollInterval = 1000;

/** Reads the logs of containers. */
export class Logs {
  constructor(readonly directories: ContainerDirectories) {}

  /** @throws GantryError; call before the answer begins */
  validate(container: Container, options: Pick<LogOptions, 'stdout' | 'stderr'>): void {
    if (container.hostConfig.LogConfig?.Type === 'none') {
      throw unsupported('configured logging driver does not support reading');
    }
    if (!options.stdout && !options.stderr) throw invalid('Bad parameters: you must choose at least one stream');
  }

  /** The log as the client wants it: with a terminal the bytes, otherwise Docker's frames. */
  read(container: Container, options: LogOptions): Readable {
    const path = this.directories.log(container.id);
    const changes = options.follow && container.running ? new Changes(container, path) : undefined;
    const stream = Readable.from(this.#chunks(container, options, path, changes), { objectMode: false });
    return changes ? wakingWhenDestroyed(stream, changes) : stream;
  }

  async *#chunks(
    container: Container,
    options: LogOptions,
    path: string,
    changes: Changes | undefined,
  ): AsyncGenerator<Buffer> {
    if (options.tail === 0 && !options.follow) return;
    const reader = new LogFileReader(path);
    const selects = selector(options);
    const prefix = options.details ? `${detailsOf(container)} ` : '';
    const encode = container.config.Tty ? encodeRaw : encodeFrames;
    try {
      position(reader, options);
      for (;;) {
        const ended = changes === undefined || changes.ended;
        const entries = reader.read();
        const selected = entries.filter(selects);
        if (selected.length > 0) yield encode(selected, options, prefix);
        if (options.until !== undefined && entries.some(({ time }) => toNanoseconds(time) > options.until!)) return;
        if (entries.length > 0) await nextTurn();
        else if (ended) return;
        else await changes.next();
      }
    } finally {
      reader.close();
      changes?.close();
    }
  }
}

/**
 * A stream made of a generator is closed once the generator has returned, and one that waits for a change would not: its
 * descriptor would stay open for as long as the container says nothing.
 */
function wakingWhenDestroyed(stream: Readable, changes: Changes): Readable {
  const destroy = stream._destroy.bind(stream);
  stream._destroy = (error, done) => {
    changes.close();
    destroy(error, done);
  };
  return stream;
}

function position(reader: LogFileReader, { tail }: LogOptions): void {
  if (tail === undefined) reader.openOldest();
  else reader.openTail(tail);
}

function selector(options: LogOptions): (entry: LogEntry) => boolean {
  const { stdout, stderr, since, until } = options;
  const bounded = since !== undefined || until !== undefined;
  return ({ stream, time }) => {
    if (stream === 'stderr' ? !stderr : !stdout) return false;
    if (!bounded) return true;
    const at = toNanoseconds(time);
    return (since === undefined || at >= since) && (until === undefined || at <= until);
  };
}

type Encoder = (entries: LogEntry[], options: LogOptions, details: string) => Buffer;

const lineOf = ({ log, time }: LogEntry, options: LogOptions, details: string): string =>
  (options.timestamps ? `${time} ` : '') + details + log;

/** The labels, variables and tag that the log's options ask for, "a=1,b=2". */
function detailsOf({ config, hostConfig }: Container): string {
  const { labels, env, tag, ...options } = hostConfig.LogConfig?.Config ?? {};
  const variables = (config.Env ?? []).map((entry): [string, string] => {
    const [name = ''] = entry.split('=', 1);
    return [name, entry.slice(name.length + 1)];
  });
  const pairs = [
    ...Object.entries(config.Labels ?? {}).filter(([name]) => isWanted(name, labels, options['labels-regex'])),
    ...variables.filter(([name]) => isWanted(name, env, options['env-regex'])),
    ...(tag ? [['tag', tag] as const] : []),
  ];
  return [...new Map(pairs)]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map((pair) => pair.map(encodeURIComponent).join('='))
    .join(',');
}

const isWanted = (name: string, list: string | undefined, pattern: string | undefined): boolean =>
  (list ?? '').split(',').includes(name) || (pattern ? new RegExp(pattern).test(name) : false);

const encodeRaw: Encoder = (entries, options, details) =>
  Buffer.from(entries.map((entry) => lineOf(entry, options, details)).join(''));

/** Docker's multiplexed stream: eight bytes of header, stream and length, before each record. */
const encodeFrames: Encoder = (entries, options, details) => {
  const lines = entries.map((entry) => lineOf(entry, options, details));
  // A character takes at most three bytes for each of its UTF-16 units.
  const capacity = lines.reduce((sum, line) => sum + 8 + line.length * 3, 0);
  const frames = Buffer.allocUnsafe(capacity);
  let offset = 0;
  for (let index = 0; index < lines.length; index++) {
    const length = frames.write(lines[index]!, offset + 8);
    frames.writeUInt32LE(entries[index]!.stream === 'stderr' ? 2 : 1, offset);
    frames.writeUInt32BE(length, offset + 4);
    offset += 8 + length;
  }
  return frames.subarray(0, offset);
};

/** Wakes a follower when the log grows or the container ends. */
class Changes {
  ended = false;
  #pending = false;
  #wake: (() => void) | undefined;
  readonly #watcher: FSWatcher | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(
    readonly container: Container,
    path: string,
  ) {
    this.#timer = setInterval(() => this.#changed(), pollInterval);
    try {
      this.#watcher = watch(path, () => this.#changed());
      this.#watcher.on('error', () => undefined);
    } catch {
      this.#watcher = undefined; // not written yet: the timer will do
    }
    container.exitWaiters.add(this.#exited);
  }

  readonly #exited = (): void => {
    this.ended = true;
    this.#changed();
  };

  #changed(): void {
    this.#pending = true;
    this.#wake?.();
  }

  /** Resolves after the next change; at once when there was one since the last call. */
  async next(): Promise<void> {
    if (!this.#pending) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#pending = false;
  }

  /** For a follower that waits, this is the last change. */
  close(): void {
    this.ended = true;
    this.#watcher?.close();
    clearInterval(this.#timer);
    this.container.exitWaiters.delete(this.#exited);
    this.#changed();
  }
}
