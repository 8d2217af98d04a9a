import type { Duplex } from 'node:stream';
import type { FastifyBaseLogger } from 'fastify';
import type { ContainerStore } from '../store/containers.js';
import type { Container } from './container.js';
import { Demultiplexer } from './demultiplexer.js';
import type { ContainerEvents } from './events.js';
import type { Execs } from './exec.js';
import type { HealthState } from './state.js';
import { timestamp } from './timestamp.js';

const nanosecondsPerMillisecond = 1_000_000;
const defaultInterval = 30_000;
const defaultTimeout = 30_000;
const defaultStartInterval = 5_000;
const defaultRetries = 3;
/** How much of a probe's output, and how many probes, an inspect shows. */
const outputLimit = 4096;
const logLength = 5;

/** Probes running containers as their HEALTHCHECK says. */
export class HealthChecks {
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(
    readonly execs: Execs,
    readonly store: ContainerStore,
    readonly events: ContainerEvents,
    readonly logger: FastifyBaseLogger,
  ) {}

  /** Begins to probe a container that has just started, if it has a health check. */
  start(container: Container): void {
    const { log = [] } = container.health ?? {};
    container.health = undefined;
    if (!probeCommand(container)) return;
    // The probes of the last run can still be looked at.
    container.health = { status: 'starting', failingStreak: 0, log };
    this.#schedule(container);
  }

  /** Goes on with a container that ran while the daemon was away: nothing was probed, and nothing has changed. */
  resume(container: Container): void {
    if (!container.health) return this.start(container);
    const last = container.health.log.at(-1);
    const sinceThen = last ? Date.now() - Date.parse(last.End) : 0;
    this.#schedule(container, Math.max(0, interval(container) - sinceThen));
  }

  stop(container: Container): void {
    clearTimeout(this.#timers.get(container.id));
    this.#timers.delete(container.id);
    if (container.health) container.health.status = 'unhealthy';
  }

  #schedule(container: Container, delay = interval(container)): void {
    const timer = setTimeout(() => void this.#probe(container), delay);
    this.#timers.set(container.id, timer);
  }

  async #probe(container: Container): Promise<void> {
    const { health } = container;
    if (!health || container.state.status !== 'running') return this.#again(container, health);
    const startedAt = timestamp();
    const result = await this.#run(container).catch((error: Error) => ({ exitCode: -1, output: error.message }));
    // The container may have ended, or started anew, while the probe ran.
    if (container.health !== health || !container.running) return;
    health.log.push({ Start: startedAt, End: timestamp(), ExitCode: result.exitCode, Output: result.output });
    health.log.splice(0, health.log.length - logLength);
    this.#judge(container, health, result.exitCode);
    this.store.saveState(container);
    this.#schedule(container);
  }

  #again(container: Container, health: HealthState | undefined): void {
    if (health && container.running) this.#schedule(container);
  }

  #judge(container: Container, health: HealthState, exitCode: number): void {
    const before = health.status;
    if (exitCode === 0) {
      health.failingStreak = 0;
      health.status = 'healthy';
    } else if (before !== 'starting' || !inStartPeriod(container)) {
      health.failingStreak++;
      if (health.failingStreak >= (container.config.Healthcheck?.Retries || defaultRetries))
        health.status = 'unhealthy';
    }
    if (health.status !== before) this.events.publish(container, `health_status: ${health.status}`);
  }

  async #run(container: Container): Promise<{ exitCode: number; output: string }> {
    const exec = this.execs.create(container, {
      Cmd: probeCommand(container)!,
      AttachStdout: true,
      AttachStderr: true,
    });
    const limit = milliseconds(container.config.Healthcheck?.Timeout, defaultTimeout);
    const stream = await this.execs.start(exec, { detach: false });
    const output = new ProbeOutput(stream);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => (timer = setTimeout(resolve, limit, undefined)));
    const exitCode = await Promise.race([exec.exit, late]);
    clearTimeout(timer);
    if (exitCode !== undefined) return { exitCode, output: await output.complete() };
    await this.execs.kill(exec);
    // What the probe has left behind may hold its output open: nobody waits for that.
    stream?.destroy();
    const text = output.soFar();
    return { exitCode: -1, output: `Health check exceeded timeout (${formatDuration(limit)})${text && `: ${text}`}` };
  }
}

/** The probe's command line; undefined when there is none or the container turned it off. */
function probeCommand({ config }: Container): string[] | undefined {
  const [kind, ...rest] = config.Healthcheck?.Test ?? [];
  if (kind === 'CMD') return rest;
  if (kind === 'CMD-SHELL') return [...(config.Shell ?? ['/bin/sh', '-c']), rest[0] ?? ''];
  return undefined;
}

function interval(container: Container): number {
  const { Interval, StartInterval } = container.config.Healthcheck ?? {};
  if (container.health?.status === 'starting' && inStartPeriod(container)) {
    return milliseconds(StartInterval, defaultStartInterval);
  }
  return milliseconds(Interval, defaultInterval);
}

function inStartPeriod({ config, state }: Container): boolean {
  return Date.now() - Date.parse(state.startedAt) < milliseconds(config.Healthcheck?.StartPeriod, 0);
}

const milliseconds = (nanoseconds: number | undefined, otherwise: number): number =>
  nanoseconds ? nanoseconds / nanosecondsPerMillisecond : otherwise;

/** "30s", "1m30s", "500ms": as Go writes durations. */
function formatDuration(duration: number): string {
  if (duration < 1000) return `${duration}ms`;
  const hours = Math.floor(duration / 3_600_000);
  const minutes = Math.floor(duration / 60_000) % 60;
  const seconds = (duration % 60_000) / 1000;
  return `${hours ? `${hours}h` : ''}${hours || minutes ? `${minutes}m` : ''}${seconds}s`;
}

/** The beginning of what a probe says. All of it is read: a probe must not block on a full pipe. */
class ProbeOutput {
  readonly #chunks: Buffer[] = [];
  #size = 0;
  readonly #ended: Promise<void>;

  constructor(stream: Duplex | undefined) {
    const text = stream?.pipe(new Demultiplexer());
    text?.on('data', (chunk: Buffer) => {
      if (this.#size <= outputLimit) this.#chunks.push(chunk);
      this.#size += chunk.length;
    });
    this.#ended = new Promise((resolve) => {
      if (!text) resolve();
      text?.once('end', resolve);
      stream?.once('close', () => text?.end());
      stream?.on('error', () => text?.end());
    });
  }

  async complete(): Promise<string> {
    await this.#ended;
    return this.soFar();
  }

  soFar(): string {
    const text = Buffer.concat(this.#chunks).subarray(0, outputLimit).toString();
    return this.#size > outputLimit ? `${text}...` : text;
  }
}
