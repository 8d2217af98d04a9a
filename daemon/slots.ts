/** Bounds how many of something run at once; first come, first served. */
export class Slots {
  #used = 0;
  readonly #waiting = new Set<() => void>();

  constructor(readonly limit: () => number) {}

  /**
   * @param onWait called when all slots are taken
   * @throws what the signal says, when it comes before a slot is free
   */
  async use<Result>(
    signal: AbortSignal,
    work: () => Promise<Result>,
    onWait: () => void = () => undefined,
  ): Promise<Result> {
    signal.throwIfAborted();
    if (this.#used >= this.limit() || this.#waiting.size > 0) {
      onWait();
      await this.#turn(signal);
    } else {
      this.#used++;
    }
    try {
      return await work();
    } finally {
      this.#used--;
      this.#admit();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(admit);
        reject(signal.reason as Error);
      };
      const admit = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      this.#waiting.add(admit);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #admit(): void {
    for (const admit of this.#waiting) {
      if (this.#used >= this.limit()) return;
      this.#waiting.delete(admit);
      this.#used++;
      admit();
    }
  }
}
