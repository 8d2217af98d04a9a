import type { BuildHistoryEvent } from '../../generated/rpc/moby/buildkit/v1/BuildHistoryEvent.js';
import type { BuildHistoryRecord } from '../../generated/rpc/moby/buildkit/v1/BuildHistoryRecord.js';
import type { BuildHistoryRequest__Output } from '../../generated/rpc/moby/buildkit/v1/BuildHistoryRequest.js';
import { notFound, unsupported } from '../../errors.js';

/** So many builds that are over are remembered, as by BuildKit. */
const maximumRecords = 50;

interface Entry {
  record: BuildHistoryRecord;
  complete: boolean;
}

/** The builds of this daemon since it started, for `docker buildx history`. */
export class BuildHistory {
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(event: BuildHistoryEvent) => void>();

  started(record: BuildHistoryRecord & { ref: string }): void {
    this.#entries.set(record.ref, { record, complete: false });
    this.#tell({ type: 'STARTED', record });
  }

  completed(record: BuildHistoryRecord & { ref: string }): void {
    this.#entries.delete(record.ref);
    this.#entries.set(record.ref, { record, complete: true });
    this.#tell({ type: 'COMPLETE', record });
    this.#expire();
  }

  update(ref: string, change: { delete: boolean; pinned: boolean }): void {
    const entry = this.#entries.get(ref);
    if (!entry) throw notFound(`no build ${ref} in the history`);
    if (change.delete) {
      this.#entries.delete(ref);
      this.#tell({ type: 'DELETED', record: { ref } });
    } else entry.record = { ...entry.record, pinned: change.pinned };
  }

  /** Tells what is known, and then, unless the client wants to leave, what happens. */
  async listen(
    request: BuildHistoryRequest__Output,
    send: (event: BuildHistoryEvent) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    if (request.filter.length > 0) throw unsupported('filters of the build history are not supported by Gantry');
    const wanted = ({ ref }: BuildHistoryRecord): boolean => request.ref === '' || request.ref === ref;
    const queue: BuildHistoryEvent[] = [...this.#entries.values()]
      .filter(({ record, complete }) => wanted(record) && !(request.activeOnly && complete))
      .map(({ record, complete }) => ({ type: complete ? 'COMPLETE' : 'STARTED', record }));
    if (request.limit > 0) queue.splice(0, queue.length - request.limit);
    let wake = (): void => undefined;
    const listener = (event: BuildHistoryEvent): void => {
      if (!event.record || !wanted(event.record)) return;
      queue.push(event);
      wake();
    };
    if (!request.earlyExit) this.#listeners.add(listener);
    signal.addEventListener('abort', () => wake());
    try {
      while (!signal.aborted) {
        const event = queue.shift();
        if (event) await send(event);
        else if (request.earlyExit) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }

  #tell(event: BuildHistoryEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #expire(): void {
    const over = [...this.#entries].filter(([, { complete, record }]) => complete && !record.pinned);
    for (const [ref] of over.slice(0, -maximumRecords)) this.#entries.delete(ref);
  }
}
