import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import supertest from 'supertest';
import type { Handlers } from '../../daemon/http/call.js';
import type { Limits } from '../../daemon/http/limits.js';
import { listen } from '../../daemon/http/listen.js';
import { createServer, type EngineServer } from '../../daemon/http/server.js';

/** The HTTP layer with handlers of a test, on a unix socket of its own. */
export interface TestServer {
  engine: EngineServer;
  path: string;
  /** What was logged at level error or above. */
  errors: Record<string, unknown>[];
  request: ReturnType<typeof supertest>;
  connect(): RawClient;
  close(): Promise<void>;
}

export async function startServer(handlers: Handlers, limits: Partial<Limits> = {}): Promise<TestServer> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-http-'));
  const path = join(directory, 'api.sock');
  const errors: Record<string, unknown>[] = [];
  const logger = pino({ level: 'error' }, { write: (line: string) => errors.push(JSON.parse(line)) });
  const engine = await createServer({ logger, handlers, engineVersion: '1.2.3', limits });
  await listen(engine, { kind: 'unix', path });
  return {
    engine,
    path,
    errors,
    request: supertest(`http+unix://${encodeURIComponent(path)}`),
    connect: () => new RawClient(path),
    close: async () => {
      await engine.close();
      rmSync(directory, { recursive: true });
    },
  };
}

/** A client that decides itself which bytes arrive in which packet. */
export class RawClient {
  readonly socket: Socket;
  received = '';
  ended = false;
  #changed: () => void = () => undefined;

  constructor(path: string) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => {
      this.received += text;
      this.#changed();
    });
    for (const event of ['end', 'close', 'error']) {
      this.socket.on(event, () => {
        this.ended = true;
        this.#changed();
      });
    }
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Waits until the text received so far satisfies the condition. */
  async until(condition: (received: string) => boolean, what = condition.toString()): Promise<string> {
    const deadline = Date.now() + 5000;
    while (!condition(this.received)) {
      if (Date.now() > deadline)
        throw new Error(`waited in vain for ${what}; received ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.received;
  }

  untilEnd(): Promise<string> {
    return this.until(() => this.ended, 'the end of the connection');
  }
}

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
