import { EventEmitter, once } from 'node:events';
import type { EventRecord, EventStore } from '../store/events.js';

export interface Event {
  type: string;
  action: string;
  actorId: string;
  attributes: Record<string, string>;
  scope?: 'local' | 'swarm';
}

export interface EventRange {
  /** Nanoseconds since 1970, included. Without either bound there are no past events, only new ones. */
  since?: bigint | undefined;
  until?: bigint | undefined;
}

/** How many events are read from the store at once. */
const PAGE = 256;
const END_OF_TIME = 2n ** 63n - 1n;
/** setTimeout takes no more. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * What happened, for those who watch. Every event is a row first, and watchers read rows: one that is slow holds nothing in
 * memory, and past and new events come without a gap or a double.
 */
export class Events {
  readonly #published = new EventEmitter().setMaxListeners(0);

  constructor(readonly store: EventStore) {}

  get listeners(): number {
    return this.#published.listenerCount('event');
  }

  publish(event: Event): void {
    this.store.insert({ scope: 'local', ...event, time: now() });
    this.#published.emit('event');
  }

  /**
   * Yields the events of the range, then new ones as they happen, until its end or until `signal` is aborted, which ends
   * the iteration without an error.
   */
  async *watch(range: EventRange, signal: AbortSignal): AsyncGenerator<EventRecord, void, undefined> {
    const { since = 0n, until = END_OF_TIME } = range;
    const past = range.since !== undefined || range.until !== undefined;
    let position = past ? 0 : this.store.lastId;
    const ended = endOf(until, signal);
    try {
      while (!signal.aborted) {
        const newest = this.store.lastId;
        const page = this.store.after(position, since, until, PAGE);
        for (const event of page) {
          yield event;
          if (signal.aborted) return;
        }
        const last = page.at(-1);
        if (last) position = last.id;
        if (page.length === PAGE) continue;
        position = newest;
        if (ended.signal.aborted) return;
        // What was published while the consumer had the page must not be slept through.
        if (this.store.lastId > newest) continue;
        await once(this.#published, 'event', { signal: ended.signal }).catch(() => undefined);
      }
    } finally {
      ended.cancel();
    }
  }
}

let latest = 0n;

/** Nanoseconds since 1970. Two events never carry the same time, so that clients can sort by it. */
function now(): bigint {
  const time = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6));
  // performance.now() does not follow the clock when it is set: it is corrected by the difference to Date.now().
  const clock = BigInt(Date.now()) * 1_000_000n;
  const current = time - clock > 1_000_000_000n || clock - time > 1_000_000_000n ? clock : time;
  latest = current > latest || latest - current > 1_000_000_000n ? current : latest + 1n;
  return latest;
}

/** Aborted when `until` has come or `signal` is. `cancel` also ends what waits for it. */
function endOf(until: bigint, signal: AbortSignal): { signal: AbortSignal; cancel(): void } {
  const controller = new AbortController();
  const end = (): void => controller.abort();
  signal.addEventListener('abort', end, { once: true });
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    const left = Number(until / 1_000_000n) - Date.now();
    if (left < 0) end();
    else timer = setTimeout(arm, Math.min(left + 1, LONGEST_TIMEOUT)).unref();
  };
  if (signal.aborted) end();
  else if (until !== END_OF_TIME) arm();
  const cancel = (): void => {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
    end();
  };
  return { signal: controller.signal, cancel };
}
