import type { Vertex } from './progress.js';

/** So often at most a client is told how far a transfer is, in milliseconds. */
const interval = 100;

/** Tells, as a status of its vertex, how many bytes of a transfer have come. */
export class TransferStatus {
  readonly #started = new Date();
  #bytes = 0;
  #told = Date.now();

  constructor(
    readonly vertex: Vertex,
    /** "transferring context:" */
    readonly title: string,
  ) {}

  /** @param bytes in all */
  readonly progress = (bytes: number): void => {
    this.#bytes = bytes;
    const now = Date.now();
    if (now - this.#told < interval) return;
    this.#told = now;
    this.#tell({});
  };

  end(): void {
    this.#tell({ completed: new Date() });
  }

  #tell(more: { completed?: Date }): void {
    const { title: id } = this;
    this.vertex.status({ id, name: 'transferring', current: this.#bytes, total: 0, started: this.#started, ...more });
  }
}
