import type { ProgressMessage } from '../../http/progress.js';

export type Report = (message: ProgressMessage) => void;

/** Between two messages about the same transfer: more often than this nobody can see. */
const interval = 100;
const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** "Pulling fs layer" and its like: a state of one layer. */
export const layerStatus = (id: string, status: string): ProgressMessage => ({ status, progressDetail: {}, id });

/** How far a layer has come, with the bar that Docker draws. */
export function layerProgress(id: string, status: string, current: number, total: number): ProgressMessage {
  const detail = { ...(current > 0 ? { current } : {}), ...(total > 0 ? { total } : {}) };
  return { status, progressDetail: detail, progress: drawProgress(current, total), id };
}

/** Reports how far a transfer has come, not more often than can be seen. */
export class TransferProgress {
  #last = 0;

  constructor(
    readonly report: Report,
    readonly id: string,
    readonly status: string,
    readonly total: number,
  ) {}

  update(current: number): void {
    const now = Date.now();
    if (now - this.#last < interval && current !== this.total) return;
    this.#last = now;
    this.report(layerProgress(this.id, this.status, current, this.total));
  }
}

/** "[=====>     ]  33.28kB/3MB" */
export function drawProgress(current: number, total: number): string {
  if (total <= 0) return humanSize(current).padStart(8);
  const filled = Math.min(Math.floor(Math.floor((current / total) * 100) / 2), 50);
  const bar = `[${'='.repeat(filled)}>${' '.repeat(50 - filled)}]`;
  const numbers = current > total ? '' : `/${humanSize(total)}`;
  return `${bar} ${humanSize(current).padStart(8)}${numbers}`;
}

/** Four significant digits and a decimal unit. */
export function humanSize(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}

/** What is told about an operation, kept so that someone who joins later sees where everything stands. */
export class ProgressHistory {
  readonly #messages: ProgressMessage[] = [];
  readonly #positions = new Map<string, number>();

  add(message: ProgressMessage): void {
    const key = message.id !== undefined && message.progressDetail ? message.id : undefined;
    const position = key === undefined ? undefined : this.#positions.get(key);
    if (position !== undefined) {
      this.#messages[position] = message;
      return;
    }
    if (key !== undefined) this.#positions.set(key, this.#messages.length);
    this.#messages.push(message);
  }

  messages(): readonly ProgressMessage[] {
    return this.#messages;
  }
}

/**
 * Messages on their way to one client, who may be slow: it holds up nobody, and of several measurements of one transfer it
 * gets the last.
 */
export class ProgressQueue {
  #waiting: ProgressMessage[] = [];
  #wake: () => void = () => undefined;
  #ended = false;

  readonly push = (message: ProgressMessage): void => {
    const index =
      message.progress === undefined ? -1 : this.#waiting.findIndex((other) => isSameTransfer(other, message));
    if (index >= 0) this.#waiting[index] = message;
    else this.#waiting.push(message);
    this.#wake();
  };

  /** Runs `work` and hands what it reports to `send`, in order; all of it before the result, or the failure, is known. */
  async run<Result>(
    work: (report: Report) => Promise<Result>,
    send: (message: ProgressMessage) => Promise<void>,
  ): Promise<Result> {
    const result = work(this.push).finally(() => {
      this.#ended = true;
      this.#wake();
    });
    // Whoever awaits the result gets the failure; until then it must not count as unhandled.
    result.catch(() => undefined);
    for (;;) {
      const messages = this.#waiting;
      this.#waiting = [];
      for (const message of messages) await send(message);
      if (this.#waiting.length > 0) continue;
      if (this.#ended) return result;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

const isSameTransfer = (one: ProgressMessage, other: ProgressMessage): boolean =>
  one.progress !== undefined && one.id === other.id && one.status === other.status;
