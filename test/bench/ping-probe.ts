import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RawHttpClient } from '../support/raw-http.js';
import { timed } from './statistics.js';

const PAUSE_MS = 5;

/** Asks an engine for `_ping` again and again, on a thread of its own so that the benchmark's own work is not measured. */
export class PingProbe {
  readonly #worker: Worker;

  constructor(socketPath: string) {
    this.#worker = new Worker(fileURLToPath(import.meta.url), { workerData: socketPath });
  }

  /** @returns how long each answer took, in milliseconds */
  async stop(): Promise<number[]> {
    const samples = new Promise<number[]>((resolve, reject) => {
      this.#worker.once('message', resolve);
      this.#worker.once('error', reject);
    });
    this.#worker.postMessage('stop');
    return samples.finally(() => this.#worker.terminate());
  }
}

async function probe(socketPath: string): Promise<void> {
  const client = new RawHttpClient(socketPath);
  const samples: number[] = [];
  let stopped = false;
  parentPort?.once('message', () => (stopped = true));
  await client.send('GET', '/_ping');
  while (!stopped) {
    samples.push(await timed(() => client.send('GET', '/_ping')));
    await sleep(PAUSE_MS);
  }
  client.close();
  parentPort?.postMessage(samples);
}

if (!isMainThread) await probe(workerData as string);
