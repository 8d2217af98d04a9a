import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { conflict, GantryError, invalid, notFound } from '../errors.js';
import type { operations } from '../generated/api.js';
import type { ShimClient } from '../runtime/shim-client.js';
import { type Container, restarting } from './container.js';
import { parseDetachKeys } from './detach-keys.js';
import type { ContainerEvents } from './events.js';
import { hasJustEnded } from './just-ended.js';
import type { Links } from './links.js';
import type { ContainerRegistry } from './registry.js';
import { environment, processDefaults } from './spec/index.js';
import { connectStreams } from './stream-pair.js';

export type ExecConfig = NonNullable<operations['ContainerExec']['requestBody']>['content']['application/json'];

/** How long a finished exec can still be inspected. */
const retention = 5 * 60_000;

/** One further process of a container: created, then run once. */
export interface Exec {
  readonly id: string;
  readonly container: Container;
  readonly config: ExecConfig;
  status: 'created' | 'running' | 'exited';
  pid: number;
  exitCode: number | null;
  /** Resolves when the process runs, or could not be started. */
  started: Promise<void>;
  /** Resolves with the exit code after the last output has been delivered. */
  exit: Promise<number>;
  /** While it runs: records its end. */
  end?: (exitCode: number) => void;
}

export interface ExecStartOptions {
  detach: boolean;
  consoleSize?: readonly number[] | null | undefined;
}

/** The execs of all containers. They live in memory: an exec ends its record with the daemon, not its process. */
export class Execs {
  readonly #execs = new Map<string, Exec>();

  constructor(
    readonly registry: ContainerRegistry,
    readonly links: Links,
    readonly events: ContainerEvents,
  ) {}

  create(container: Container, config: ExecConfig): Exec {
    requireRunning(container);
    if (!config.Cmd?.length) throw invalid('No exec command specified');
    parseDetachKeys(config.DetachKeys);
    const id = randomBytes(32).toString('hex');
    const exec: Exec = {
      id,
      container,
      config,
      status: 'created',
      pid: 0,
      exitCode: null,
      started: Promise.resolve(),
      exit: Promise.resolve(0),
    };
    this.#execs.set(id, exec);
    container.execIds.add(id);
    this.events.publish(container, `exec_create: ${commandOf(config.Cmd)}`, { execID: id });
    return exec;
  }

  /** @throws GantryError not-found */
  get(id: string): Exec {
    const exec = this.#execs.get(id);
    if (!exec) throw notFound(`No such exec instance: ${id}`);
    return exec;
  }

  /** Checks that the exec can be started; call before the connection is taken over. */
  validateStart(exec: Exec): void {
    if (exec.status === 'running') throw conflict(`exec ${exec.id} is already running`);
    if (exec.status === 'exited') throw conflict(`exec ${exec.id} has already run`);
    requireRunning(exec.container);
  }

  /**
   * Starts the process.
   * @returns its stream, or undefined when detached
   */
  async start(exec: Exec, options: ExecStartOptions): Promise<Duplex | undefined> {
    this.validateStart(exec);
    const { container, config } = exec;
    const shim = container.shim!;
    exec.status = 'running';
    exec.exit = this.#exitOf(exec, shim);
    this.events.publish(container, `exec_start: ${commandOf(config.Cmd!)}`, { execID: exec.id });
    const answer = shim.exec({
      execId: exec.id,
      process: this.#process(exec, options.consoleSize),
      stdin: config.AttachStdin ?? false,
      stdout: config.AttachStdout ?? false,
      stderr: config.AttachStderr ?? false,
      detach: options.detach,
    });
    exec.started = answer.then(
      () => undefined,
      () => undefined,
    );
    try {
      const { pid, stream } = await answer;
      exec.pid = pid;
      return stream;
    } catch (error) {
      throw this.#startFailed(exec, error);
    }
  }

  /** Resolves when the process has ended, could not be started, or was taken along by the end of its container. */
  #exitOf(exec: Exec, shim: ShimClient): Promise<number> {
    return new Promise((resolve) => {
      const ended = (event: { execId: string; exitCode: number }): void => {
        if (event.execId === exec.id) exec.end?.(event.exitCode);
      };
      const closed = (): void => exec.end?.(137);
      exec.end = (exitCode) => {
        delete exec.end;
        shim.off('exec-exit', ended);
        shim.off('close', closed);
        this.#finish(exec, exitCode);
        resolve(exitCode);
      };
      shim.on('exec-exit', ended);
      shim.once('close', closed);
    });
  }

  /** Runs the exec for a client and returns when its output and its exit have been delivered. */
  async serve(exec: Exec, stream: Duplex, client: Duplex): Promise<void> {
    const { config } = exec;
    await connectStreams(client, stream, {
      stdin: config.AttachStdin ?? false,
      detachKeys: config.Tty ? parseDetachKeys(config.DetachKeys) : undefined,
      // Clients ask for the exit code as soon as the output has ended.
      until: exec.exit,
      onDetach: () => this.events.publish(exec.container, 'exec_detach', { execID: exec.id }),
    });
  }

  async resize(exec: Exec, width: number, height: number): Promise<void> {
    await exec.started;
    if (exec.status !== 'running') throw notFound(`process of exec ${exec.id} does not exist: not found`);
    if (exec.config.Tty) await exec.container.shim?.resize({ execId: exec.id, width, height });
  }

  /** SIGKILL for a process that has taken too long. One that has ended in the meantime is as wanted. */
  async kill(exec: Exec): Promise<void> {
    try {
      await exec.container.shim?.killExec(exec.id, 9);
    } catch (error) {
      if (!hasJustEnded(error)) throw error;
    }
  }

  #process(exec: Exec, consoleSize: readonly number[] | null | undefined): object {
    const { container, config } = exec;
    const terminal = config.Tty ?? false;
    const [height, width] = consoleSize ?? config.ConsoleSize ?? [];
    return {
      ...processDefaults(
        container,
        config.User || container.config.User || '',
        terminal,
        (config.Privileged || container.hostConfig.Privileged) ?? false,
      ),
      ...(terminal && height && width && { consoleSize: { height, width } }),
      args: config.Cmd,
      env: environment(container, terminal, this.links.environment(container), config.Env ?? []),
      cwd: config.WorkingDir || container.config.WorkingDir || '/',
    };
  }

  /** Docker records why; 126 and 127 are the command's fault, 128 stands for anything else. */
  #startFailed(exec: Exec, error: unknown): Error {
    const { message, exitCode = 128 } = error as { message: string; exitCode?: number };
    exec.end?.(exitCode);
    if (error instanceof GantryError) return error;
    return invalid(`OCI runtime exec failed: exec failed: unable to start container process: ${message}`, error);
  }

  #finish(exec: Exec, exitCode: number): void {
    exec.status = 'exited';
    exec.exitCode = exitCode;
    exec.pid = 0;
    exec.container.execIds.delete(exec.id);
    this.events.publish(exec.container, 'exec_die', { execID: exec.id, exitCode: String(exitCode) });
    setTimeout(() => this.#execs.delete(exec.id), retention).unref();
  }

  /** Drops what can no longer be started in a removed container; whoever waited for an exec asks for its exit code yet. */
  forget(container: Container): void {
    for (const exec of this.#execs.values()) {
      if (exec.container === container && exec.status === 'created') this.#execs.delete(exec.id);
    }
    container.execIds.clear();
  }
}

function requireRunning(container: Container): void {
  if (container.state.status === 'paused') {
    throw conflict(`Container ${container.name} is paused, unpause the container before exec`);
  }
  if (container.state.status === 'restarting') throw restarting(container);
  if (!container.running || !container.shim) throw conflict(`container ${container.id} is not running`);
}

/** As Docker's events have it: a space after the program, also where no argument follows. */
function commandOf([program = '', ...args]: string[]): string {
  return `${program} ${args.join(' ')}`;
}
