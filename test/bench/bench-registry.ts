import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const READY_TIMEOUT_MS = 20_000;

/** Debian's docker-registry on a loopback port, with the benchmark's image in it. Ends with this process. */
export class BenchRegistry {
  private constructor(
    readonly host: string,
    private readonly child: ChildProcess,
    private readonly directory: string,
  ) {
    child.unref();
    process.once('exit', () => this.#stop());
  }

  static isInstalled(): boolean {
    return ['docker-registry', 'skopeo'].every((name) => spawnSync('which', [name]).status === 0);
  }

  /** @param source the directory of scripts/bench-image */
  static async start(source: string): Promise<BenchRegistry> {
    const directory = mkdtempSync(join(source, 'registry-'));
    const port = await freePort();
    mkdirSync(join(directory, 'data'));
    const configuration = {
      version: '0.1',
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: join(directory, 'data') } },
      http: { addr: `127.0.0.1:${port}` },
    };
    // YAML is a superset of JSON.
    writeFileSync(join(directory, 'config.yml'), JSON.stringify(configuration));
    const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], { stdio: 'ignore' });
    const registry = new BenchRegistry(`127.0.0.1:${port}`, child, directory);
    await registry.#ready();
    const target = `docker://${registry.host}/gantry-bench:latest`;
    await run('skopeo', ['copy', '--quiet', '--dest-tls-verify=false', `oci:${source}/oci:bench`, target]);
    return registry;
  }

  #stop(): void {
    this.child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (Date.now() < deadline) {
      const answer = await fetch(`http://${this.host}/v2/`).catch(() => undefined);
      if (answer?.ok) return;
      await sleep(50);
    }
    throw new Error('docker-registry does not answer');
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
