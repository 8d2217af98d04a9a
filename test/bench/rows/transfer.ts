import { execFile } from 'node:child_process';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { BenchRegistry } from '../bench-registry.js';
import type { BenchEngine } from '../engine.js';
import { MemoryProbe } from '../memory-probe.js';
import { PingProbe } from '../ping-probe.js';
import { cpuTicks, descendants } from '../processes.js';
import type { Row } from '../row.js';
import { percentile, timed } from '../statistics.js';

const run = promisify(execFile);

/** Where scripts/bench-image leaves the image. */
const DIRECTORY = process.env['GANTRY_BENCH_IMAGE'] ?? '/var/tmp/gantry-bench';
const ARCHIVE = `${DIRECTORY}/image.tar`;
const REPOSITORY = 'gantry-bench';
const NAME = `${REPOSITORY}:latest`;
const MEBIBYTE = 1024 * 1024;
/**
 * For a minute ext4 does not use an inode again that was deleted, and looks over all of them at each file it makes.
 * Nobody removes an image and loads it again at once, so this is waited out rather than measured.
 */
const INODES_FREE_AFTER_MS = 65_000;

let lastRemoval = 0;

/** What one engine needed for one transfer, a number for each round. */
interface Observed {
  elapsed: number[];
  /** Highest PSS of the daemon and all below it, in MiB. */
  memory: number[];
  /** p99 of `_ping`, in milliseconds. */
  ping: number[];
}

/** Sends an image in or out of an engine, and watches the engine meanwhile. */
abstract class Transfer {
  readonly #observed = new Map<BenchEngine, Observed>();

  /** @returns why it cannot be measured */
  abstract unavailable(engine: BenchEngine): Promise<string | undefined> | string | undefined;
  /** What has to be there, or must not be there, before the clock starts. */
  abstract prepare(engine: BenchEngine): Promise<void>;
  abstract transfer(engine: BenchEngine): Promise<void>;

  async measure(engine: BenchEngine): Promise<number> {
    await this.prepare(engine);
    await settle(engine);
    const pings = new PingProbe(engine.client.socketPath);
    const memory = new MemoryProbe(engine);
    const elapsed = await timed(() => this.transfer(engine)).finally(() => memory.stop());
    const observed = this.#of(engine);
    observed.elapsed.push(elapsed);
    observed.memory.push(memory.peak);
    observed.ping.push(percentile(await pings.stop(), 0.99));
    return elapsed;
  }

  /** What was seen besides the time; measures once if nothing was yet. */
  async observed(engine: BenchEngine, what: 'memory' | 'ping'): Promise<number[]> {
    if (this.#of(engine).elapsed.length === 0) await this.measure(engine);
    return this.#of(engine)[what];
  }

  async tearDown(engine: BenchEngine): Promise<void> {
    await removeImages(engine);
  }

  #of(engine: BenchEngine): Observed {
    let observed = this.#observed.get(engine);
    if (!observed) this.#observed.set(engine, (observed = { elapsed: [], memory: [], ping: [] }));
    return observed;
  }
}

class Load extends Transfer {
  unavailable(): string | undefined {
    return existsSync(ARCHIVE) ? undefined : 'needs the image of scripts/bench-image';
  }
  prepare(engine: BenchEngine): Promise<void> {
    return removeImages(engine);
  }
  transfer(engine: BenchEngine): Promise<void> {
    return loadArchive(engine);
  }
}

class Save extends Transfer {
  unavailable(): string | undefined {
    return existsSync(ARCHIVE) ? undefined : 'needs the image of scripts/bench-image';
  }
  async prepare(engine: BenchEngine): Promise<void> {
    const { status } = await engine.client.send('GET', `/images/${NAME}/json`);
    if (status !== 200) await loadArchive(engine);
  }
  async transfer(engine: BenchEngine): Promise<void> {
    const bytes = await saveToNowhere(engine, NAME);
    if (bytes < 100 * MEBIBYTE) throw new Error(`${engine.name}: saved only ${bytes} bytes`);
  }
}

class Pull extends Transfer {
  #registry: Promise<BenchRegistry> | undefined;

  async unavailable(engine: BenchEngine): Promise<string | undefined> {
    if (!existsSync(`${DIRECTORY}/oci`)) return 'needs the image of scripts/bench-image';
    if (!BenchRegistry.isInstalled()) return 'needs docker-registry and skopeo';
    // Nothing listens there: an engine that can pull fails to connect.
    const { body } = await engine.client.send('POST', '/images/create?fromImage=127.0.0.1:9/none&tag=none');
    return body.toString().includes('not supported') ? 'this engine does not pull' : undefined;
  }
  async prepare(engine: BenchEngine): Promise<void> {
    await removeImages(engine);
    await this.#started();
  }
  async transfer(engine: BenchEngine): Promise<void> {
    const { host } = await this.#started();
    const name = encodeURIComponent(`${host}/${REPOSITORY}`);
    const { status, body } = await engine.client.send('POST', `/images/create?fromImage=${name}&tag=latest`);
    const failure = body
      .toString()
      .split('\n')
      .find((line) => line.includes('"error"'));
    if (status !== 200 || failure) throw new Error(`${engine.name}: pull: ${failure ?? body.toString()}`);
  }

  #started(): Promise<BenchRegistry> {
    return (this.#registry ??= BenchRegistry.start(DIRECTORY));
  }
}

/** Waits until the engine has done what it does in the background, and until the disk has everything. */
async function settle(engine: BenchEngine): Promise<void> {
  const pid = engine.daemonPid();
  if (pid === undefined) await sleep(3000);
  else {
    for (let before = -1, now = cpuTicks(descendants(pid)); now - before > 2;) {
      before = now;
      await sleep(300);
      now = cpuTicks(descendants(pid));
    }
  }
  await run('sync');
  await sleep(Math.max(0, lastRemoval + INODES_FREE_AFTER_MS - Date.now()));
}

/**
 * Removes the image under every name it has or had: a row that was here before, or a run that was interrupted, may have
 * left it under that of another registry, and an engine that has its layers has nothing to do.
 */
async function removeImages(engine: BenchEngine): Promise<void> {
  const path = '/images/json?all=1&digests=1';
  const images = await engine.client.json<ListedImage[]>('GET', path);
  for (const { Id } of images.filter(isOurs)) {
    await engine.client.json('DELETE', `/images/${Id}?force=1`);
    lastRemoval = Date.now();
  }
  const left = (await engine.client.json<ListedImage[]>('GET', path)).filter(isOurs);
  if (left.length > 0) throw new Error(`${engine.name} keeps ${left[0]?.Id}`);
}

interface ListedImage {
  Id: string;
  RepoTags: string[] | null;
  RepoDigests: string[] | null;
}

function isOurs({ Id, RepoTags, RepoDigests }: ListedImage): boolean {
  const names = [...(RepoTags ?? []), ...(RepoDigests ?? [])].map((name) => name.replace(/[:@][^/]*$/, ''));
  return identities().has(Id) || names.some((name) => name === REPOSITORY || name.endsWith(`/${REPOSITORY}`));
}

/** What an engine may call the image when it has no name: the digest of its configuration, or of its manifest. */
function identities(): Set<string> {
  const layout = `${DIRECTORY}/oci`;
  if (!existsSync(layout)) return new Set();
  const { manifests } = JSON.parse(readFileSync(`${layout}/index.json`, 'utf8')) as { manifests: { digest: string }[] };
  const configs = manifests.map(({ digest }) => {
    const manifest = readFileSync(`${layout}/blobs/${digest.replace(':', '/')}`, 'utf8');
    return (JSON.parse(manifest) as { config: { digest: string } }).config.digest;
  });
  return new Set([...manifests.map(({ digest }) => digest), ...configs]);
}

function loadArchive(engine: BenchEngine): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { Host: 'docker', 'Content-Type': 'application/x-tar' };
    const { socketPath } = engine.client;
    const outgoing = request({ socketPath, method: 'POST', path: '/images/load?quiet=1', headers }, (incoming) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
      incoming.on('end', () => {
        if (text.includes('Loaded image')) resolve();
        else reject(new Error(`${engine.name}: load answered ${text}`));
      });
    });
    outgoing.on('error', reject);
    createReadStream(ARCHIVE, { highWaterMark: MEBIBYTE }).on('error', reject).pipe(outgoing);
  });
}

/** @returns how many bytes came */
function saveToNowhere(engine: BenchEngine, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: engine.client.socketPath, path: `/images/${name}/get`, headers: { Host: 'docker' } };
    const outgoing = request(options, (incoming) => {
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => (bytes += chunk.length));
      incoming.on('error', reject);
      incoming.on('end', () => resolve(bytes));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** @param last whether the image is not needed any more */
function rowsOf(key: string, title: string, transfer: Transfer, last: boolean): Row[] {
  const common = { unavailable: (engine: BenchEngine) => transfer.unavailable(engine) };
  return [
    {
      ...common,
      key,
      title,
      unit: 'ms',
      statistics: ['p50', 'min', 'max'],
      maxRounds: 3,
      block: async (engine) => [await transfer.measure(engine)],
    },
    {
      ...common,
      key: `${key}-ping`,
      title: `${title}: _ping meanwhile, p99`,
      unit: 'ms',
      statistics: ['p50', 'max'],
      maxRounds: 1,
      block: (engine) => transfer.observed(engine, 'ping'),
    },
    {
      ...common,
      key: `${key}-memory`,
      title: `${title}: peak PSS of the engine`,
      unit: 'MiB',
      statistics: ['max'],
      maxRounds: 1,
      unavailable: (engine) => (engine.daemonPid() === undefined ? 'needs --pidfile' : transfer.unavailable(engine)),
      block: (engine) => transfer.observed(engine, 'memory'),
      ...(last ? { tearDown: (engine: BenchEngine) => transfer.tearDown(engine) } : {}),
    },
  ];
}

/** An image of 7 layers, about 1.1 GB, in and out. */
export const transferRows: Row[] = [
  ...rowsOf('load', 'load of a 1.1 GB image', new Load(), false),
  ...rowsOf('save', 'save of it', new Save(), true),
  ...rowsOf('pull', 'pull of it from a registry on loopback', new Pull(), true),
];
