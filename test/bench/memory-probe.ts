import type { BenchEngine } from './engine.js';
import { descendants, proportionalSetSize } from './processes.js';

const MEBIBYTE = 1024 * 1024;
const INTERVAL_MS = 100;

/** The highest proportional set size, in MiB, of an engine while something runs; 0 where its pidfile is not known. */
export class MemoryProbe {
  peak = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(engine: BenchEngine) {
    const pid = engine.daemonPid();
    const pids = pid === undefined ? [] : descendants(pid);
    this.#timer = setInterval(() => {
      this.peak = Math.max(this.peak, proportionalSetSize(pids) / MEBIBYTE);
    }, INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
