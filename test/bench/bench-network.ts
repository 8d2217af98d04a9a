import { BENCH_LABEL, type BenchEngine } from './engine.js';

/** A user-defined network that a row has for itself. */
export class BenchNetwork {
  private constructor(
    private readonly engine: BenchEngine,
    readonly name: string,
  ) {}

  /** Makes it, in place of what an interrupted run has left. */
  static async make(engine: BenchEngine, name: string): Promise<BenchNetwork> {
    const network = new BenchNetwork(engine, name);
    await engine.client.send('DELETE', `/networks/${name}`);
    await engine.client.json('POST', '/networks/create', { Name: name, Labels: { [BENCH_LABEL]: '1' } });
    return network;
  }

  /** With everything that is still on it. */
  async remove(): Promise<void> {
    await this.engine.cleanUp();
    await this.engine.client.json('DELETE', `/networks/${this.name}`);
  }
}
