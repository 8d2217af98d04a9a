/** Things by name that may be asked for a little before they are there. */
export class AwaitedMap<Value> {
  readonly #values = new Map<string, Value>();
  readonly #waiting = new Map<string, Set<() => void>>();

  /** @param patience how long a question waits, in milliseconds; that of clients, whose calls overtake each other */
  constructor(readonly patience = 15_000) {}

  /** What is there now. */
  peek(name: string): Value | undefined {
    return this.#values.get(name);
  }

  values(): Iterable<Value> {
    return this.#values.values();
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
    for (const wake of [...(this.#waiting.get(name) ?? [])]) wake();
  }

  delete(name: string): void {
    this.#values.delete(name);
  }

  /** Undefined when it has not come in time. */
  async get(name: string, signal: AbortSignal): Promise<Value | undefined> {
    signal.throwIfAborted();
    if (!this.#values.has(name)) await this.#wait(name, signal);
    signal.throwIfAborted();
    return this.#values.get(name);
  }

  async #wait(name: string, signal: AbortSignal): Promise<void> {
    const waiting = this.#waiting.get(name) ?? new Set();
    this.#waiting.set(name, waiting);
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        waiting.delete(done);
        if (waiting.size === 0) this.#waiting.delete(name);
        resolve();
      };
      const timer = setTimeout(done, this.patience);
      signal.addEventListener('abort', done);
      waiting.add(done);
    });
  }
}
