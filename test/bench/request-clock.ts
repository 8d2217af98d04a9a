import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A socket before that of an engine, which notes when a client connects first: a client that takes longer to come up than
 * the engine to answer can so be measured without that.
 */
export class RequestClock {
  readonly #directory = mkdtempSync(join(tmpdir(), 'gantry-bench-socket-'));
  readonly socketPath = join(this.#directory, 'engine.sock');
  readonly #open = new Set<Socket>();
  readonly #server;
  #first: number | undefined;

  private constructor(target: string) {
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      this.#first ??= performance.now();
      const engine = connect({ path: target, allowHalfOpen: true });
      for (const [from, to] of [
        [client, engine],
        [engine, client],
      ] as const) {
        this.#open.add(from);
        from.pipe(to);
        from.on('error', () => to.destroy());
        from.on('close', () => this.#open.delete(from));
      }
    });
  }

  static async before(target: string): Promise<RequestClock> {
    const clock = new RequestClock(target);
    await new Promise<void>((resolve) => clock.#server.listen(clock.socketPath, resolve));
    return clock;
  }

  /** Milliseconds from the first connection that `client` makes until it has ended. */
  async time(client: () => Promise<void>): Promise<number> {
    this.#first = undefined;
    await client();
    if (this.#first === undefined) throw new Error('the client did not ask the engine');
    return performance.now() - this.#first;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
    rmSync(this.#directory, { recursive: true });
  }
}
