import { digestOf } from '../images/digest.js';
import type { ReportProgress, StatusEvent, VertexEvent } from './build-progress.js';

/** A vertex while it is worked on. */
export class Vertex {
  #event: VertexEvent;

  constructor(
    readonly report: ReportProgress,
    identity: string,
    name: string,
    more: { inputs?: readonly string[]; lines?: { first: number; last: number } } = {},
  ) {
    const { inputs = [], lines } = more;
    this.#event = {
      kind: 'vertex',
      digest: digestOf(identity),
      name,
      inputs,
      cached: false,
      ...(lines && { lines }),
    };
  }

  get digest(): string {
    return this.#event.digest;
  }

  /** Tells that there is such a piece of work. */
  announce(): void {
    this.report(this.#event);
  }

  start(): void {
    this.#change({ started: new Date() });
  }

  complete({ cached = false }: { cached?: boolean } = {}): void {
    const now = new Date();
    this.#change({ started: this.#event.started ?? now, completed: now, cached });
  }

  fail(error: unknown): void {
    const now = new Date();
    const message = error instanceof Error ? error.message : String(error);
    this.#change({ started: this.#event.started ?? now, completed: now, error: message });
  }

  log(stream: 'stdout' | 'stderr', data: Uint8Array): void {
    this.report({ kind: 'log', vertex: this.digest, stream, data, time: new Date() });
  }

  status(status: Omit<StatusEvent, 'kind' | 'vertex'>): void {
    this.report({ kind: 'status', vertex: this.digest, ...status });
  }

  /** Does a piece of work from its start to its end. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    this.start();
    try {
      const result = await work();
      this.complete();
      return result;
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  #change(change: Partial<VertexEvent>): void {
    this.#event = { ...this.#event, ...change };
    this.report(this.#event);
  }
}
