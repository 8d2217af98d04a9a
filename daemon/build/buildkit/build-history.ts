import { digestOf } from '../../images/digest.js';
import type { BuildHistoryStore, BuildRecordRow } from '../../store/build-history.js';
import type { BuildHistoryEvent } from '../../generated/rpc/moby/buildkit/v1/BuildHistoryEvent.js';
import type { BuildHistoryRecord } from '../../generated/rpc/moby/buildkit/v1/BuildHistoryRecord.js';
import type { BuildHistoryRequest__Output } from '../../generated/rpc/moby/buildkit/v1/BuildHistoryRequest.js';
import type { Descriptor } from '../../generated/rpc/moby/buildkit/v1/Descriptor.js';
import type { StatusResponse } from '../../generated/rpc/moby/buildkit/v1/StatusResponse.js';
import { notFound } from '../../errors.js';
import { historyFilter } from './history-filters.js';
import { decodeLog, encodeLog } from './status-log.js';

/** So many builds that are over are remembered, as by BuildKit. */
const maximumRecords = 50;

export type HistoryRecord = BuildHistoryRecord & { ref: string };

/** What is kept of a build beside its record. */
export interface BuildTraces {
  /** What it told while it ran. */
  status: readonly StatusResponse[];
  /** How it came about, as JSON; undefined where it did not come that far. */
  provenance: string | undefined;
  /** Its failure with all details. */
  failure: Buffer | undefined;
}

const mediaTypes = {
  log: 'application/vnd.buildkit.status.v0',
  provenance: 'application/vnd.in-toto+json',
  // As BuildKit spells it.
  failure: 'application/vnd.googeapis.google.rpc.status+proto',
};
const provenanceType = 'https://slsa.dev/provenance/v0.2';

/** The builds under way, and those that are over, for `docker buildx history`. */
export class BuildHistory {
  readonly #active = new Map<string, HistoryRecord>();
  readonly #listeners = new Set<(event: BuildHistoryEvent) => void>();

  constructor(readonly store: BuildHistoryStore) {}

  started(record: HistoryRecord): void {
    this.#active.set(record.ref, record);
    this.#tell({ type: 'STARTED', record });
  }

  completed(record: HistoryRecord, { status, provenance, failure }: BuildTraces): void {
    const blobs: { digest: string; data: Buffer }[] = [];
    const keep = (mediaType: string, data: Buffer, annotations: Record<string, string> = {}): Descriptor => {
      const digest = digestOf(data);
      blobs.push({ digest, data });
      return { mediaType, digest, size: data.length, annotations };
    };
    const complete: HistoryRecord = {
      ...record,
      generation: 1,
      logs: keep(mediaTypes.log, encodeLog(status)),
      ...(failure && { externalError: keep(mediaTypes.failure, failure) }),
      ...(provenance !== undefined && {
        result: {
          attestations: [
            keep(mediaTypes.provenance, Buffer.from(provenance), { 'in-toto.io/predicate-type': provenanceType }),
          ],
        },
      }),
    };
    this.store.save({ ref: record.ref, record: JSON.stringify(complete), completed: Date.now() }, blobs);
    this.#active.delete(record.ref);
    this.store.expire(maximumRecords);
    this.#tell({ type: 'COMPLETE', record: complete });
  }

  /** What a build that is over told while it ran. */
  log(ref: string): StatusResponse[] | undefined {
    const row = this.store.record(ref);
    const digest = row && recordOf(row).logs?.digest;
    const data = digest === undefined ? undefined : this.store.blob(digest);
    return data && decodeLog(data);
  }

  update(ref: string, change: { delete: boolean; pinned: boolean }): void {
    if (!this.store.record(ref)) throw notFound(`no build ${ref} in the history`);
    if (change.delete) {
      this.store.delete(ref);
      this.#tell({ type: 'DELETED', record: { ref } });
    } else this.store.pin(ref, change.pinned);
  }

  /** Tells what is known, and then, unless the client wants to leave, what happens. */
  async listen(
    request: BuildHistoryRequest__Output,
    send: (event: BuildHistoryEvent) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const matches = historyFilter(request.filter);
    const wanted = (record: BuildHistoryRecord): boolean =>
      (request.ref === '' || request.ref === record.ref) && matches(record);
    const queue = this.#known(request).filter(({ record }) => record && wanted(record));
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

  #known({ activeOnly, ref }: BuildHistoryRequest__Output): BuildHistoryEvent[] {
    const over = activeOnly ? [] : ref === '' ? this.store.records() : [this.store.record(ref) ?? []].flat();
    return [
      ...over.map((row) => ({ type: 'COMPLETE' as const, record: recordOf(row) })),
      ...[...this.#active.values()].map((record) => ({ type: 'STARTED' as const, record })),
    ];
  }

  #tell(event: BuildHistoryEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function recordOf({ record, pinned }: BuildRecordRow): HistoryRecord {
  return { ...(JSON.parse(record) as HistoryRecord), pinned: pinned === 1 };
}
