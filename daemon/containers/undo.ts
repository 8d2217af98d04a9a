import type { FastifyBaseLogger } from 'fastify';

/** The undo of every step taken so far; run in reverse when a later step fails. */
export class UndoStack {
  readonly #steps: (() => unknown)[] = [];

  push(undo: () => unknown): void {
    this.#steps.push(undo);
  }

  /** Undoes everything. A step that cannot be undone is logged and does not stop the others. */
  async rollBack(logger: Pick<FastifyBaseLogger, 'error'>): Promise<void> {
    for (const undo of this.#steps.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        logger.error({ error }, 'could not undo a step of a failed operation');
      }
    }
  }
}
