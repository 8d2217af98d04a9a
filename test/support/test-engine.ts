import { jest } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { seedBusybox } from './busybox-image.js';
import { DaemonProcess } from './daemon-process.js';
import { DockerCli } from './docker-cli.js';
import { expectHostAsItWas, takeSnapshot, type HostSnapshot } from './host-snapshot.js';
import { RawHttpClient } from './raw-http.js';
import { SLOWNESS } from './slowness.js';

/** An engine of another kind to hold the tests against, so that they state what Docker's users rely on. */
const OTHER_ENGINE = process.env['GANTRY_TEST_DOCKER_HOST'];
const TEST_TIMEOUT_MS = 60_000 * SLOWNESS;

/** What a test file talks to. Its fields are there once the tests run, not while they are declared. */
export class TestEngine {
  docker!: DockerCli;
  client!: RawHttpClient;
  /** A directory of the host that the engine sees under the same name, for binds. */
  directory!: string;
  /** Absent when the tests are held against another engine. */
  daemon: DaemonProcess | undefined;
  #idle: HostSnapshot | undefined;
  #containers: string[] = [];

  constructor(
    private readonly flags: string[],
    private readonly remapped?: ConstructorParameters<typeof DaemonProcess>[1],
  ) {}

  get host(): string {
    return this.docker.host;
  }

  get socketPath(): string {
    return this.docker.host.replace('unix://', '');
  }

  async start(): Promise<void> {
    if (OTHER_ENGINE === undefined) {
      this.daemon = new DaemonProcess(this.flags, this.remapped);
      await this.daemon.start();
    }
    const daemon = this.daemon;
    this.docker = new DockerCli(daemon?.host ?? OTHER_ENGINE ?? '', () =>
      daemon === undefined ? '' : `\n--- gantryd:\n${daemon.logTail()}`,
    );
    this.client = new RawHttpClient(this.socketPath);
    this.directory = mkdtempSync(join(process.env['GANTRY_TEST_ROOT'] ?? '/var/tmp', 'gantry-binds-'));
    await seedBusybox(this.socketPath);
    this.#containers = await this.#listContainers();
    if (daemon !== undefined) this.#idle = await takeSnapshot(daemon, daemon.pid);
  }

  /** Removes the containers of a test and insists that nothing of them remains on the host. */
  async clear(): Promise<void> {
    const ids = (await this.#listContainers()).filter((id) => !this.#containers.includes(id));
    if (ids.length > 0) await this.docker.ok('rm', '--force', '--volumes', ...ids);
    const networks = (await this.docker.ok('network', 'ls', '--quiet', '--filter', 'type=custom')).split('\n');
    if (networks[0] !== '') await this.docker.ok('network', 'rm', ...networks);
    if (this.daemon !== undefined && this.#idle !== undefined) {
      await expectHostAsItWas(this.#idle, this.daemon, this.daemon.pid);
    }
  }

  async stop(): Promise<void> {
    this.client.close();
    this.docker.dispose();
    rmSync(this.directory, { recursive: true, force: true });
    await this.daemon?.dispose();
  }

  async #listContainers(): Promise<string[]> {
    const list = await this.docker.ok('ps', '--all', '--quiet', '--no-trunc');
    return list.split('\n').filter((id) => id !== '');
  }
}

/**
 * Gives a test file an engine of its own, with busybox in it. After each test its containers are removed and the host is
 * compared with what it was.
 * @param flags further flags of gantryd
 * @param remapped see DaemonProcess
 */
export function useEngine(flags: string[] = [], remapped?: ConstructorParameters<typeof DaemonProcess>[1]): TestEngine {
  jest.setTimeout(TEST_TIMEOUT_MS);
  const engine = new TestEngine(flags, remapped);
  beforeAll(() => engine.start());
  afterEach(() => engine.clear());
  afterAll(() => engine.stop());
  return engine;
}
