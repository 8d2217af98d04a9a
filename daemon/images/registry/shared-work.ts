import { untilAborted } from '../../until-aborted.js';
import { ProgressHistory, type Report } from './progress.js';

interface Running<Result> {
  result: Promise<Result>;
  watchers: Set<Report>;
  history: ProgressHistory;
  abort: AbortController;
}

export interface Work<Result, Share> {
  /** Equal for equal work. */
  key: string;
  start: (report: Report, signal: AbortSignal) => Promise<Result>;
  /** Takes one's share of the result, before it may be released. */
  take: (result: Result) => Share;
  /** When the last of those who waited has taken its share or gone. */
  release?: (result: Result) => void;
}

/**
 * Lets several callers who want the same thing at the same time wait for one piece of work. One who leaves disturbs nobody;
 * when the last one leaves, the work is stopped.
 */
export class SharedWork<Result> {
  readonly #running = new Map<string, Running<Result>>();

  async join<Share>(work: Work<Result, Share>, report: Report, signal: AbortSignal): Promise<Share> {
    signal.throwIfAborted();
    const running = this.#running.get(work.key) ?? this.#start(work);
    for (const message of running.history.messages()) report(message);
    // A function of its own, because the same one may watch twice.
    const watcher: Report = (message) => report(message);
    running.watchers.add(watcher);
    try {
      return work.take(await untilAborted(running.result, signal));
    } finally {
      running.watchers.delete(watcher);
      if (running.watchers.size === 0) this.#end(work, running);
    }
  }

  #start<Share>({ key, start }: Work<Result, Share>): Running<Result> {
    const abort = new AbortController();
    const history = new ProgressHistory();
    const watchers = new Set<Report>();
    const tell: Report = (message) => {
      history.add(message);
      for (const watcher of watchers) watcher(message);
    };
    const running = { result: start(tell, abort.signal), watchers, history, abort };
    // What failed or was finished is not joined any more, even while others still take their shares.
    const leave = (): void => this.#forget(key, running);
    running.result.then(leave, leave);
    this.#running.set(key, running);
    return running;
  }

  #end<Share>({ key, release }: Work<Result, Share>, running: Running<Result>): void {
    this.#forget(key, running);
    running.abort.abort(new DOMException('nobody waits for it any more', 'AbortError'));
    if (release) running.result.then(release, () => undefined);
  }

  #forget(key: string, running: Running<Result>): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
  }
}
