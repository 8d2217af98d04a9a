import type { StatusResponse } from '../../generated/rpc/moby/buildkit/v1/StatusResponse.js';
import type { Timestamp } from '../../generated/rpc/google/protobuf/Timestamp.js';
import type { BuildEvent, LogEvent, ReportProgress, WarningEvent } from '../build-progress.js';
import type { ShownSource } from './failure.js';

/** Of what a step writes, as much is kept for a client that is slow. */
const maximumLog = 2 * 1024 * 1024;
/** Events in one message. */
const batch = 256;

/** What a build has told so far, for those that watch it, from the beginning. */
export class BuildStatus {
  readonly #events: StatusResponse[] = [];
  readonly #logSizes = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  readonly #names = new Map<string, { completed: boolean; cached: boolean }>();
  #ended = false;
  warnings = 0;
  /** The Dockerfile that lines in warnings are those of. */
  source: ShownSource | undefined;

  readonly report: ReportProgress = (event) => {
    if (event.kind === 'log' && !this.#fits(event)) return;
    this.#count(event);
    const message = this.#messageOf(event);
    if (!message) return;
    this.#events.push(message);
    this.#wake();
  };

  /** Nothing more is told. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** How many steps there are, for the history. */
  counts(): { total: number; completed: number; cached: number } {
    const steps = [...this.#names.values()];
    return {
      total: steps.length,
      completed: steps.filter(({ completed }) => completed).length,
      cached: steps.filter(({ cached }) => cached).length,
    };
  }

  /** All of it, in a few messages. */
  get told(): StatusResponse[] {
    const count = Math.ceil(this.#events.length / batch);
    return Array.from({ length: count }, (_, index) => merge(this.#events.slice(index * batch, (index + 1) * batch)));
  }

  /** Tells everything, until the build has ended or the signal comes. */
  async watch(send: (response: StatusResponse) => Promise<void>, signal: AbortSignal): Promise<void> {
    let next = 0;
    while (!signal.aborted) {
      if (next < this.#events.length) {
        const events = this.#events.slice(next, next + batch);
        next += events.length;
        await send(merge(events));
      } else if (this.#ended) return;
      else await this.#change(signal);
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        // What is told in the same turn goes into the same message.
        setImmediate(resolve);
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #fits({ vertex, data }: LogEvent): boolean {
    const before = this.#logSizes.get(vertex) ?? 0;
    this.#logSizes.set(vertex, before + data.length);
    if (before + data.length <= maximumLog) return true;
    if (before <= maximumLog) {
      const message = Buffer.from(`[output clipped, log limit ${maximumLog / 1024 / 1024}MiB reached]\n`);
      this.#events.push({ logs: [{ vertex, timestamp: timestamp(new Date()), stream: 2, message }] });
    }
    return false;
  }

  #count(event: BuildEvent): void {
    if (event.kind === 'warning') this.warnings++;
    if (event.kind !== 'vertex') return;
    this.#names.set(event.digest, { completed: event.completed !== undefined, cached: event.cached });
  }

  #messageOf(event: BuildEvent): StatusResponse | undefined {
    switch (event.kind) {
      case 'vertex': {
        const { digest, inputs, name, cached, started, completed, error } = event;
        const times = {
          ...(started && { started: timestamp(started) }),
          ...(completed && { completed: timestamp(completed) }),
        };
        return {
          vertexes: [{ digest, inputs: [...inputs], name, cached, ...times, ...(error !== undefined && { error }) }],
        };
      }
      case 'log': {
        const { vertex, stream, data, time } = event;
        return { logs: [{ vertex, timestamp: timestamp(time), stream: stream === 'stdout' ? 1 : 2, message: data }] };
      }
      case 'status': {
        const { vertex, id, name, current, total, started, completed } = event;
        return {
          statuses: [
            {
              id,
              vertex,
              name,
              current,
              total,
              timestamp: timestamp(new Date()),
              started: timestamp(started),
              ...(completed && { completed: timestamp(completed) }),
            },
          ],
        };
      }
      case 'warning':
        return { warnings: [this.#warning(event)] };
      case 'step':
        return undefined;
    }
  }

  #warning({ vertex, message, detail, url, lines }: WarningEvent): NonNullable<StatusResponse['warnings']>[number] {
    const place = this.source &&
      lines && {
        info: { filename: this.source.filename, data: Buffer.from(this.source.text), language: 'Dockerfile' },
        ranges: [{ start: { line: lines.first }, end: { line: lines.last } }],
      };
    const more = { ...(detail !== undefined && { detail: [Buffer.from(detail)] }), ...(url !== undefined && { url }) };
    return { vertex, level: 1, short: Buffer.from(message), ...more, ...place };
  }
}

function merge(events: readonly StatusResponse[]): StatusResponse {
  return {
    vertexes: events.flatMap(({ vertexes }) => vertexes ?? []),
    statuses: events.flatMap(({ statuses }) => statuses ?? []),
    logs: events.flatMap(({ logs }) => logs ?? []),
    warnings: events.flatMap(({ warnings }) => warnings ?? []),
  };
}

export function timestamp(time: Date): Timestamp {
  const milliseconds = time.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanos: (milliseconds - seconds * 1000) * 1_000_000 };
}
