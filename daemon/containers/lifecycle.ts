import type { FastifyBaseLogger } from 'fastify';
import { conflict, GantryError, internal, invalid, notModified } from '../errors.js';
import type { Endpoints } from '../networks/endpoints.js';
import type { Addon } from '../runtime/addon.js';
import type { ShimClient } from '../runtime/shim-client.js';
import type { ContainerStore } from '../store/containers.js';
import { connectPending } from './attach.js';
import { type Container, type ExitStatus, restarting } from './container.js';
import type { ContainerDirectories } from './directories.js';
import type { ContainerEvents } from './events.js';
import { readExitRecord, type ExitRecord } from './exit-record.js';
import type { HealthChecks } from './health.js';
import { hasJustEnded, hasNoProcess } from './just-ended.js';
import type { Launcher } from './launch.js';
import { Backoff, shouldRestart } from './restart-policy.js';
import { killShim } from './kill-shim.js';
import { parseSignal } from '../signals.js';
import { canPause, canStart } from './state.js';
import { timestamp } from './timestamp.js';
import { within } from './within.js';

const killPatience = 10_000;
/** And how long, in a forced removal, before its shim is taken not to do its work any more. */
const shimPatience = 5_000;

/** Starts, stops and follows containers. Every change of state goes through here, one at a time for each container. */
export class Lifecycle {
  readonly #backoffs = new Map<string, Backoff>();
  readonly #restartTimers = new Map<string, NodeJS.Timeout>();
  /** Being restarted by a client: their end is not the one after which AutoRemove removes them. */
  readonly #comingBack = new Set<Container>();
  /** Called when a container with AutoRemove has ended. */
  onAutoRemove: (container: Container) => void = () => undefined;

  constructor(
    readonly addon: Addon,
    readonly launcher: Launcher,
    readonly store: ContainerStore,
    readonly directories: ContainerDirectories,
    readonly endpoints: Endpoints,
    readonly events: ContainerEvents,
    readonly health: HealthChecks,
    readonly logger: FastifyBaseLogger,
  ) {}

  /** @throws GantryError not-modified when it runs already */
  async start(container: Container): Promise<void> {
    await container.lock.run(async () => {
      const { status } = container.state;
      if (status === 'running') throw notModified(`container ${container.id} is already running`);
      if (status === 'paused') throw conflict('cannot start a paused container, try unpause instead');
      if (!canStart(container.state)) throw conflict('container is marked for removal and cannot be started');
      this.#cancelRestart(container);
      container.state.stoppedByUser = false;
      container.state.restartCount = 0;
      await this.#start(container);
    });
  }

  async #start(container: Container): Promise<void> {
    let launched;
    try {
      // Two overlays must not have the same writable layer: the shim of the run before may still hold one.
      await container.previousShim;
      launched = await this.launcher.launch(container);
    } catch (error) {
      throw this.#startFailed(container, error);
    }
    const { client, ended, shimPid, pid, startedAt } = launched;
    container.previousShim = ended;
    Object.assign(container.state, {
      status: 'running',
      pid,
      shimPid,
      startedAt,
      exitCode: 0,
      error: '',
      oomKilled: false,
    });
    this.adopt(container, client);
    this.health.start(container);
    this.store.transaction(() => {
      this.store.saveState(container);
      this.events.publish(container, 'start');
    });
    // Who asked while the process was being started is connected now.
    connectPending(container).catch((error: unknown) => {
      this.logger.warn({ err: error, container: container.id }, 'could not attach a client');
    });
  }

  /** What a failed start leaves in the state, and tells the client: Docker's wording and exit codes. */
  #startFailed(container: Container, error: unknown): Error {
    const { message, exitCode = 128 } = error as { message: string; exitCode?: number };
    const text = error instanceof GantryError ? message : `failed to create task for container: ${message}`;
    const restarting = container.state.status === 'restarting';
    Object.assign(container.state, {
      status: container.state.status === 'created' ? 'created' : 'exited',
      pid: 0,
      shimPid: 0,
      exitCode,
      error: text,
    });
    this.store.saveState(container);
    this.events.publish(container, 'die', { exitCode: String(exitCode), execDuration: '0' });
    for (const giveUp of [...container.pendingAttachments.values()]) giveUp();
    // What has not run has not exited either: `docker run` waits for the next exit while it starts, and the answer to the
    // start tells it why there is none. Between two runs of a policy nobody else would tell.
    if (restarting) this.#notify(container, { exitCode, error: text });
    if (container.hostConfig.AutoRemove) this.onAutoRemove(container);
    if (error instanceof GantryError) return error;
    // 126 and 127 are mistakes in the request; Docker answers 400 for them.
    return exitCode === 126 || exitCode === 127 ? invalid(text, error) : internal(text, error);
  }

  /** Follows a running container through the control connection of its shim. */
  adopt(container: Container, client: ShimClient): void {
    container.shim = client;
    let ended = false;
    const end = (exit: ExitRecord | undefined): void => {
      if (ended) return;
      ended = true;
      void container.lock.run(() => this.exited(container, exit));
    };
    client.on('oom', () => this.events.publish(container, 'oom'));
    client.on('exit', (exit) => end({ startedAt: container.state.startedAt, ...exit }));
    client.once('close', () => {
      if (!ended) end(readExitRecord(this.directories.data(container.id, 'exit.json')));
    });
  }

  /**
   * Records the end of a run. Called with the lock held.
   * @param exit undefined when the shim died without a record, and the kernel killed the container with it
   */
  async exited(container: Container, exit: ExitRecord | undefined): Promise<void> {
    const { state } = container;
    const finishedAt = exit?.finishedAt ?? timestamp();
    const exitCode = exit?.exitCode ?? 137;
    this.health.stop(container);
    container.shim = undefined;
    const { startedAt } = state;
    Object.assign(state, {
      status: 'exited',
      pid: 0,
      shimPid: 0,
      exitCode,
      error: '',
      oomKilled: exit?.oomKilled ?? false,
      finishedAt,
    });
    const again = shouldRestart(container.hostConfig.RestartPolicy, state);
    this.store.transaction(() => {
      this.endpoints.release(container);
      if (again) state.status = 'restarting';
      this.store.saveState(container);
    });
    await this.launcher.volumes.unmount(container);
    const ranFor = Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt));
    this.events.publish(container, 'die', {
      exitCode: String(exitCode),
      execDuration: String(Math.floor(ranFor / 1000)),
    });
    this.#notify(container, { exitCode });
    if (!exit) await this.addon.cgroupRemove(this.launcher.cgroupPath(container));
    await this.addon.removeTree(this.directories.bundle(container.id));
    if (again) this.#scheduleRestart(container, ranFor);
    else if (container.hostConfig.AutoRemove && !this.#comingBack.has(container)) this.onAutoRemove(container);
  }

  #notify(container: Container, exit: ExitStatus): void {
    for (const resolve of container.exitWaiters) resolve(exit);
    container.exitWaiters.clear();
  }

  #scheduleRestart(container: Container, ranFor: number): void {
    let backoff = this.#backoffs.get(container.id);
    if (!backoff) this.#backoffs.set(container.id, (backoff = new Backoff()));
    const timer = setTimeout(() => {
      this.#restartTimers.delete(container.id);
      void container.lock.run(async () => {
        if (container.state.status !== 'restarting') return;
        container.state.restartCount++;
        await this.#start(container).catch((error: unknown) => this.#restartFailed(container, error, ranFor));
      });
    }, backoff.next(ranFor));
    this.#restartTimers.set(container.id, timer);
  }

  #restartFailed(container: Container, error: unknown, ranFor: number): void {
    this.logger.error({ error, container: container.id }, 'could not restart a container');
    if (!shouldRestart(container.hostConfig.RestartPolicy, container.state)) return;
    container.state.status = 'restarting';
    this.store.saveState(container);
    this.#scheduleRestart(container, ranFor);
  }

  /** Begins the policy's next start; for containers that ended while the daemon was away. */
  resumeRestarts(container: Container): void {
    container.state.status = 'restarting';
    this.store.saveState(container);
    this.#scheduleRestart(container, 0);
  }

  #cancelRestart(container: Container): void {
    clearTimeout(this.#restartTimers.get(container.id));
    this.#restartTimers.delete(container.id);
  }

  /** Resolves at the end of the current run; at once when there is none. */
  nextExit(container: Container): Promise<ExitStatus> {
    if (!container.running) return Promise.resolve({ exitCode: container.state.exitCode });
    return new Promise((resolve) => container.exitWaiters.add(resolve));
  }

  /**
   * Stops the container: its stop signal, then SIGKILL after the timeout.
   * @param timeoutSeconds negative: wait for ever
   * @throws GantryError not-modified when it does not run
   */
  async stop(container: Container, timeoutSeconds?: number, signal?: string): Promise<void> {
    await this.#settled(container);
    if (container.state.status === 'restarting') return this.#stopRestarting(container);
    if (!container.running) throw notModified(`container ${container.id} is already stopped`);
    const stopSignal = parseSignal(signal || container.config.StopSignal || 'SIGTERM');
    const timeout = timeoutSeconds ?? container.config.StopTimeout ?? 10;
    const exit = this.nextExit(container);
    this.#stoppedByUser(container);
    await this.#signal(container, stopSignal);
    if (!(await within(exit, timeout < 0 ? Infinity : timeout * 1000))) {
      await this.#signal(container, 9);
      if (!(await within(exit, killPatience))) throw notKilled(container);
    }
    this.events.publish(container, 'stop');
  }

  async #stopRestarting(container: Container): Promise<void> {
    await container.lock.run(async () => {
      this.#cancelRestart(container);
      container.state.stoppedByUser = true;
      if (container.state.status === 'restarting') container.state.status = 'exited';
      this.store.saveState(container);
      this.events.publish(container, 'stop');
    });
  }

  #stoppedByUser(container: Container): void {
    container.state.stoppedByUser = true;
    this.store.saveState(container);
  }

  /**
   * Resolves when the change of state that is under way has ended: a stop that crosses a start would otherwise find
   * nothing to stop, and leave it running.
   */
  async #settled(container: Container): Promise<void> {
    await container.lock.run(() => Promise.resolve());
  }

  /** @throws GantryError conflict when it does not run */
  async kill(container: Container, signal = 'SIGKILL'): Promise<void> {
    const number = parseSignal(signal || 'SIGKILL');
    await this.#settled(container);
    if (container.state.status === 'restarting') return this.#stopRestarting(container);
    if (!container.running) {
      throw conflict(`cannot kill container: ${container.name}: container ${container.id} is not running`);
    }
    await this.#kill(container, number);
  }

  async #kill(container: Container, signal: number): Promise<void> {
    const exit = this.nextExit(container);
    if (asksToEnd(container, signal)) this.#stoppedByUser(container);
    await this.#signal(container, signal);
    if (signal === 9 && !(await within(exit, killPatience))) throw notKilled(container);
  }

  async #signal(container: Container, signal: number): Promise<void> {
    // Told before it is sent: the end that it brings about may be told before the answer is there.
    this.events.publish(container, 'kill', { signal: String(signal) });
    try {
      if (container.shim && !(await within(container.shim.kill(signal), killPatience))) throw notKilled(container);
    } catch (error) {
      // It, or its shim after it, ended by itself in the meantime: what was wanted.
      if (!hasJustEnded(error)) throw error;
    }
    // A frozen process takes no signal.
    await container.lock.run(async () => {
      if (container.state.status !== 'paused') return;
      await this.#thaw(container).catch((error: unknown) => {
        if (!hasJustEnded(error)) throw error;
      });
    });
  }

  async restart(container: Container, timeoutSeconds?: number, signal?: string): Promise<void> {
    this.#comingBack.add(container);
    try {
      // Another restart may have stopped or started it before this one could.
      await this.stop(container, timeoutSeconds, signal).catch(passOverNotModified);
      await this.start(container).catch(passOverNotModified);
    } finally {
      this.#comingBack.delete(container);
    }
    this.events.publish(container, 'restart');
  }

  async pause(container: Container): Promise<void> {
    await container.lock.run(async () => {
      if (container.state.status === 'paused') throw conflict(`Container ${container.id} is already paused`);
      if (container.state.status === 'restarting') throw restarting(container);
      if (!canPause(container.state)) throw conflict(`container ${container.id} is not running`);
      await this.#freeze(container);
      this.#setStatus(container, 'paused', 'pause');
    });
  }

  async #freeze(container: Container): Promise<void> {
    try {
      await this.addon.cgroupFreeze(this.launcher.cgroupPath(container));
    } catch (error) {
      // A cgroup that has lost its last process is never reported to be frozen.
      if (hasJustEnded(error) || hasNoProcess(container.state.pid)) {
        throw conflict(`container ${container.id} is not running`);
      }
      throw error;
    }
  }

  async unpause(container: Container): Promise<void> {
    await container.lock.run(async () => {
      const notPaused = (): GantryError => conflict(`Container ${container.id} is not paused`);
      if (container.state.status !== 'paused') throw notPaused();
      await this.#thaw(container).catch((error: unknown) => {
        throw hasJustEnded(error) ? notPaused() : error;
      });
    });
  }

  async #thaw(container: Container): Promise<void> {
    await this.addon.cgroupThaw(this.launcher.cgroupPath(container));
    this.#setStatus(container, 'running', 'unpause');
  }

  #setStatus(container: Container, status: 'paused' | 'running', action: string): void {
    container.state.status = status;
    this.store.saveState(container);
    this.events.publish(container, action);
  }

  /** Makes sure that it does not run and will not be started again; for removal. */
  async forceStop(container: Container): Promise<void> {
    if (await within(this.#end(container), shimPatience)) return;
    // It is stopped, or waits for a disk that does not answer. The kernel ends its container with it.
    killShim(container.state.shimPid, this.directories.bundle(container.id));
    await this.#end(container);
  }

  async #end(container: Container): Promise<void> {
    await this.#settled(container);
    if (container.state.status === 'restarting') await this.#stopRestarting(container);
    if (container.running) await this.#kill(container, 9);
  }

  /** Forgets timers and counts of a removed container. */
  forget(container: Container): void {
    this.#cancelRestart(container);
    this.#backoffs.delete(container.id);
  }
}

function passOverNotModified(error: unknown): void {
  if (!(error instanceof GantryError && error.kind === 'not-modified')) throw error;
}

const notKilled = ({ id }: Container): GantryError =>
  internal(`tried to kill container ${id}, but did not receive an exit event`);

/** A container that has named its stop signal is told other things by other signals, and its restart policy stays in force. */
function asksToEnd({ config }: Container, signal: number): boolean {
  return signal === 9 || !config.StopSignal || parseSignal(config.StopSignal) === signal;
}
