import { seedBusybox } from '../support/busybox-image.js';
import { DaemonProcess } from '../support/daemon-process.js';
import { SLOWNESS } from '../support/slowness.js';
import { demultiplex, RawHttpClient } from '../support/raw-http.js';

/** Nothing that these tests ask for takes longer: a call that hangs is to be named, not to use up the time of the test. */
const ANSWERS_WITHIN_MS = 30_000 * SLOWNESS;

interface InspectedState {
  Status: string;
  Running: boolean;
  Paused: boolean;
  Pid: number;
  ExitCode: number;
}

/** A daemon that is killed and started again, and the few calls that the crash tests make. */
export class CrashEngine {
  readonly daemon = new DaemonProcess();
  client = this.#connect();

  async start(): Promise<void> {
    await this.daemon.start();
    await seedBusybox(this.daemon.socketPath);
  }

  /** kill -9, then the connections of the dead daemon are given up. */
  async kill(): Promise<void> {
    await this.daemon.kill();
    this.#reconnect();
  }

  /** SIGTERM, and the same. */
  async stop(): Promise<void> {
    await this.daemon.stop();
    this.#reconnect();
  }

  #reconnect(): void {
    this.client.close();
    this.client = this.#connect();
  }

  #connect(): RawHttpClient {
    return new RawHttpClient(this.daemon.socketPath, ANSWERS_WITHIN_MS);
  }

  async create(name: string, script: string, hostConfig: object = {}): Promise<void> {
    await this.client.json('POST', `/containers/create?name=${name}`, {
      Image: 'busybox',
      Cmd: ['sh', '-c', script],
      HostConfig: { NetworkMode: 'none', ...hostConfig },
    });
  }

  async startContainer(name: string): Promise<void> {
    await this.client.json('POST', `/containers/${name}/start`);
  }

  async run(name: string, script: string, hostConfig: object = {}): Promise<void> {
    await this.create(name, script, hostConfig);
    await this.startContainer(name);
  }

  async state(name: string): Promise<InspectedState> {
    return (await this.client.json<{ State: InspectedState }>('GET', `/containers/${name}/json`)).State;
  }

  async exists(name: string): Promise<boolean> {
    const { status } = await this.client.send('GET', `/containers/${name}/json`);
    if (status !== 200 && status !== 404) throw new Error(`inspect of ${name} answers ${status}`);
    return status === 200;
  }

  async wait(name: string): Promise<number> {
    return (await this.client.json<{ StatusCode: number }>('POST', `/containers/${name}/wait`)).StatusCode;
  }

  /** Removes a container; one that is not there is fine. */
  async remove(name: string): Promise<void> {
    const { status, body } = await this.client.send('DELETE', `/containers/${name}?force=1&v=1`);
    if (status !== 204 && status !== 404) throw new Error(`remove of ${name} answers ${status} ${body.toString()}`);
  }

  async names(): Promise<string[]> {
    const list = await this.client.json<{ Names: string[] }[]>('GET', '/containers/json?all=1');
    return list.map(({ Names }) => (Names[0] ?? '').slice(1));
  }

  async removeAll(): Promise<void> {
    for (const name of await this.names()) await this.remove(name);
  }

  async log(name: string): Promise<string> {
    const { body } = await this.client.send('GET', `/containers/${name}/logs?stdout=1&stderr=1`);
    return demultiplex(body).stdout.toString();
  }

  async dispose(): Promise<void> {
    this.client.close();
    await this.daemon.dispose();
  }
}

/** Insists that a log has the lines 1, 2, 3 … with none missing and none twice; answers how many. */
export function expectContiguous(name: string, log: string): number {
  const lines = log.split('\n');
  if (lines.pop() !== '') throw new Error(`${name}: the last line has no end`);
  const wrong = lines.findIndex((line, index) => line !== String(index + 1));
  if (wrong >= 0) throw new Error(`${name}: line ${wrong + 1} is "${lines[wrong]}", after "${lines[wrong - 1]}"`);
  return lines.length;
}
