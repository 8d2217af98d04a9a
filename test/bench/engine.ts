import { readFileSync } from 'node:fs';
import { RawHttpClient, readAll } from '../support/raw-http.js';

export const BENCH_LABEL = 'gantry.bench';

interface ContainerRequest {
  Cmd: string[];
  [field: string]: unknown;
}

/** An engine under measurement: its socket, and the calls that the rows are made of. */
export class BenchEngine {
  readonly client: RawHttpClient;
  #retired = false;

  constructor(
    readonly name: string,
    socketPath: string,
    private readonly pidfile: string | undefined,
    readonly restartCommand: string | undefined,
  ) {
    this.client = new RawHttpClient(socketPath);
  }

  /** Creates a container of busybox that carries the label by which {@link cleanUp} finds it. Answers its id. */
  async create(request: ContainerRequest, networkMode = 'none'): Promise<string> {
    if (this.#retired) throw new Error('interrupted');
    const { Id } = await this.client.json<{ Id: string }>('POST', '/containers/create', {
      Image: 'busybox:latest',
      Labels: { [BENCH_LABEL]: '1' },
      HostConfig: { NetworkMode: networkMode },
      ...request,
    });
    return Id;
  }

  async start(id: string): Promise<void> {
    await this.client.json('POST', `/containers/${id}/start`);
  }

  /** Waits for the end of a container and insists on exit code 0. */
  async waitForSuccess(id: string): Promise<void> {
    const { StatusCode } = await this.client.json<{ StatusCode: number }>('POST', `/containers/${id}/wait`);
    if (StatusCode !== 0) throw new Error(`${this.name}: container exited with ${StatusCode}`);
  }

  async remove(id: string): Promise<void> {
    await this.client.json('DELETE', `/containers/${id}?force=1&v=1`);
  }

  /** One whole life of a container that runs `true`. @param request what else to ask for */
  async life(networkMode: string, request: object = {}): Promise<void> {
    const id = await this.create({ Cmd: ['true'], ...request }, networkMode);
    await this.start(id);
    await this.waitForSuccess(id);
    await this.remove(id);
  }

  /** Creates an exec of `true`, starts it attached, reads it to its end, inspects it. */
  async execTrue(id: string): Promise<void> {
    const body = { AttachStdout: true, AttachStderr: true, Cmd: ['true'] };
    const { Id } = await this.client.json<{ Id: string }>('POST', `/containers/${id}/exec`, body);
    const stream = await this.client.hijack(`/exec/${Id}/start`, { Detach: false, Tty: false });
    await readAll(stream);
    stream.destroy();
    const { ExitCode } = await this.client.json<{ ExitCode: number | null }>('GET', `/exec/${Id}/json`);
    if (ExitCode !== 0) throw new Error(`${this.name}: exec exited with ${ExitCode}`);
  }

  async containerPid(id: string): Promise<number> {
    const { State } = await this.client.json<{ State: { Pid: number } }>('GET', `/containers/${id}/json`);
    return State.Pid;
  }

  async version(): Promise<string> {
    return (await this.client.json<{ Version: string }>('GET', '/version')).Version;
  }

  /** The daemon's process id, from its pidfile. */
  daemonPid(): number | undefined {
    return this.pidfile === undefined ? undefined : Number(readFileSync(this.pidfile, 'utf8').trim());
  }

  /** Allows no further container, and removes those that are there, also one whose creation was under way. */
  async retire(): Promise<void> {
    this.#retired = true;
    await this.cleanUp();
    await this.cleanUp();
  }

  /** Removes every container that a benchmark, this one or one that was interrupted, has left. */
  async cleanUp(): Promise<void> {
    const filters = encodeURIComponent(JSON.stringify({ label: [BENCH_LABEL] }));
    const left = await this.client.json<{ Id: string }[]>('GET', `/containers/json?all=1&filters=${filters}`);
    await inParallel(8, left, ({ Id }) => this.remove(Id));
  }
}

/** Runs `work` on every item, `width` at once. */
export async function inParallel<T>(
  width: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const workers = Array.from({ length: width }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  });
  await Promise.all(workers);
}
