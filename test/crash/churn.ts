import type { CrashEngine } from './crash-engine.js';
import type { Random } from './random.js';

/**
 * Creates, starts and removes containers until the daemon dies under it, and remembers what the daemon had said it did:
 * that must be true afterwards. What was under way when it died may have happened or not, but not half.
 */
export class Churn {
  /** Started, with the exit code that each will have. */
  readonly mortals = new Map<string, number>();
  /** Created, never started, not removed. */
  readonly created = new Set<string>();
  readonly removed = new Set<string>();
  /** Every name that was used. */
  readonly names = new Set<string>();
  #stopped = false;

  constructor(
    private readonly engine: CrashEngine,
    private readonly random: Random,
    private readonly prefix: string,
  ) {}

  /** Runs until {@link stop}, or until the daemon no longer answers. */
  async run(): Promise<void> {
    await Promise.all([
      this.#until('mortal', (name) => this.#startMortal(name)),
      this.#until('bridged', (name) => this.#startMortal(name, { NetworkMode: 'bridge' })),
      this.#until('shortlived', (name) => this.#createAndRemove(name)),
      this.#until('unstarted', (name) => this.#create(name)),
      this.#until('forced', (name) => this.#startAndForceRemove(name)),
    ]);
  }

  /** The daemon is about to be killed: from now on a failure is no surprise. */
  stop(): void {
    this.#stopped = true;
  }

  async #until(kind: string, work: (name: string) => Promise<void>): Promise<void> {
    for (let number = 0; !this.#stopped; number++) {
      const name = `${this.prefix}-${kind}-${number}`;
      this.names.add(name);
      try {
        await work(name);
      } catch (error) {
        if (!this.#stopped) throw error;
      }
    }
  }

  async #startMortal(name: string, hostConfig: object = {}): Promise<void> {
    const code = this.random.between(0, 120);
    const delay = this.random.between(0, 900) * 1000;
    await this.engine.create(name, `usleep ${delay}; exit ${code}`, hostConfig);
    await this.engine.startContainer(name);
    this.mortals.set(name, code);
    await pause(this.random.between(20, 120));
  }

  async #create(name: string): Promise<void> {
    await this.engine.create(name, 'true');
    this.created.add(name);
    await pause(this.random.between(50, 200));
  }

  async #createAndRemove(name: string): Promise<void> {
    await this.engine.create(name, 'true');
    await this.engine.remove(name);
    this.removed.add(name);
  }

  async #startAndForceRemove(name: string): Promise<void> {
    await this.engine.run(name, 'exec sleep 300', { NetworkMode: 'bridge' });
    await this.engine.remove(name);
    this.removed.add(name);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
