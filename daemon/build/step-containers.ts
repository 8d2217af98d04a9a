import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import type { FastifyBaseLogger } from 'fastify';
import { Container, type ContainerConfig, type ContainerMount, type HostConfig } from '../containers/container.js';
import type { ContainerDirectories } from '../containers/directories.js';
import { completeHostConfig, type HostConfigDefaults } from '../containers/host-config.js';
import type { ContainerLayers, Launched, Launcher } from '../containers/launch.js';
import { OutputFrames } from '../containers/output-frames.js';
import { createdState } from '../containers/state.js';
import { timestamp } from '../containers/timestamp.js';
import { GantryError, internal, invalid } from '../errors.js';
import type { Endpoints } from '../networks/endpoints.js';
import type { Addon } from '../runtime/addon.js';
import type { ShimExit } from '../runtime/shim-client.js';

/** The command of a RUN with everything around it. */
export interface StepProcess {
  /** Its root below the new layer, topmost first. */
  lower: readonly string[];
  config: ContainerConfig & { Cmd: string[] };
  hostConfig: HostConfig;
  mounts: ContainerMount[];
  /** What mounts of the type image name as their source: directories, topmost first. */
  mountedLayers: ReadonlyMap<string, readonly string[]>;
  onStarted: (id: string) => void;
  onOutput: (stream: 'stdout' | 'stderr', data: Uint8Array) => void;
}

export interface StepEnd {
  id: string;
  exitCode: number;
  outOfMemory: boolean;
}

/** The layers of the containers of steps, and of what is mounted there, by id; their launcher asks for them. */
export class StepLayers implements ContainerLayers {
  readonly #lower = new Map<string, string[]>();

  set(id: string, lower: readonly string[]): void {
    this.#lower.set(id, [...lower]);
  }

  delete(id: string): void {
    this.#lower.delete(id);
  }

  containerLayers(id: string): string[] {
    return this.#lower.get(id) ?? [];
  }

  layerDirectories(id: string): string[] {
    return this.containerLayers(id);
  }
}

/**
 * Runs commands in containers that exist for one step only. They have no row: what a daemon that was killed leaves of one is
 * garbage to the next.
 */
export class StepContainers {
  constructor(
    readonly addon: Addon,
    readonly launcher: Launcher,
    readonly layers: StepLayers,
    readonly directories: ContainerDirectories,
    readonly endpoints: Endpoints,
    readonly defaults: () => HostConfigDefaults,
    readonly logger: FastifyBaseLogger,
  ) {}

  /**
   * Runs a command to its end.
   *
   * @param upper where what it has written goes
   * @throws GantryError when it cannot be started; the signal's reason when it was stopped
   */
  async run(step: StepProcess, upper: string, signal: AbortSignal): Promise<StepEnd> {
    signal.throwIfAborted();
    const id = randomBytes(32).toString('hex');
    const container = this.#container(id, step);
    this.directories.createData(id);
    this.layers.set(id, step.lower);
    for (const [mounted, lower] of step.mountedLayers) this.layers.set(mounted, lower);
    try {
      step.onStarted(id);
      const exit = await this.#runContainer(container, step, signal);
      signal.throwIfAborted();
      renameSync(this.directories.data(id, 'upper'), upper);
      return { id, exitCode: exit.exitCode, outOfMemory: exit.oomKilled };
    } finally {
      for (const used of [id, ...step.mountedLayers.keys()]) this.layers.delete(used);
      await this.addon.removeTree(this.directories.data(id));
    }
  }

  #container(id: string, { config, hostConfig, mounts }: StepProcess): Container {
    const complete = completeHostConfig({ ...hostConfig, LogConfig: { Type: 'none', Config: {} } }, this.defaults());
    const [path = '', ...args] = config.Cmd;
    const networks = config.NetworkDisabled ? {} : this.endpoints.requested(complete.NetworkMode ?? 'bridge', {});
    const record = { id, name: `build-${id.slice(0, 12)}`, created: timestamp(), imageId: id };
    return new Container({ ...record, config, hostConfig: complete, networks, mounts, path, args }, createdState());
  }

  async #runContainer(container: Container, step: StepProcess, signal: AbortSignal): Promise<ShimExit> {
    const output = this.#attach(container, step);
    const launched = await this.#launch(container);
    const kill = (): void => {
      launched.client.kill(9).catch(() => undefined);
    };
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();
    try {
      const exit = await exitOf(launched);
      await Promise.all([output(), launched.ended]);
      return exit;
    } finally {
      signal.removeEventListener('abort', kill);
      this.endpoints.release(container);
      await this.addon.removeTree(this.directories.bundle(container.id));
    }
  }

  async #launch(container: Container): Promise<Launched> {
    try {
      return await this.launcher.launch(container);
    } catch (error) {
      if (error instanceof GantryError) throw error;
      const { message, exitCode } = error as { message: string; exitCode?: number };
      const text = `failed to create task for container: ${message}`;
      throw exitCode === 126 || exitCode === 127 ? invalid(text, error) : internal(text, error);
    }
  }

  /** Connects to the output before the command starts. @returns what resolves when all of it has come */
  #attach(container: Container, { onOutput }: StepProcess): () => Promise<unknown> {
    let ended: Promise<unknown> = Promise.resolve();
    const connect = async (): Promise<void> => {
      if (!container.shim) throw internal('the container of a step has no shim');
      const stream = await container.shim.attach({ stdin: false, stdout: true, stderr: true });
      const frames = new OutputFrames(onOutput);
      stream.on('data', (chunk: Buffer) => frames.push(chunk));
      stream.on('error', (error) => this.logger.debug({ err: error }, 'output of a build step was cut off'));
      stream.once('end', () => stream.destroy());
      ended = once(stream, 'close');
      // It was held after the answer.
      stream.resume();
    };
    container.pendingAttachments.set(connect, () => undefined);
    return () => ended;
  }
}

function exitOf({ client }: Launched): Promise<ShimExit> {
  return new Promise((resolve) => {
    client.once('exit', resolve);
    // A shim that dies takes its container with it.
    client.once('close', () => resolve({ exitCode: 137, oomKilled: false, finishedAt: timestamp() }));
  });
}
