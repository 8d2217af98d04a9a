import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { removeCgroups } from './cgroup-directories.js';
import { deleteBridge } from './network-links.js';
import { processesOf, type Instance } from './processes.js';
import { RawHttpClient } from './raw-http.js';
import { SLOWNESS } from './slowness.js';

const REPOSITORY = resolve(import.meta.dirname, '../../..');
const STARTS_WITHIN_MS = 15_000 * SLOWNESS;
const STOPS_WITHIN_MS = 20_000 * SLOWNESS;

let instances = 0;

/**
 * A gantryd with everything of its own: roots, socket, bridge and cgroup parent, all named after this process. The data
 * root is on a real file system, because overlayfs cannot use another overlay as its upper directory.
 */
export class DaemonProcess implements Instance {
  readonly id = `gt-${process.pid}-${++instances}`;
  readonly root = join(process.env['GANTRY_TEST_ROOT'] ?? '/var/tmp', this.id);
  /** Where everything lies: the data root, or one below it for a daemon with user namespaces. */
  readonly dataRoot: string;
  readonly #configuredDataRoot = join(this.root, 'data');
  /** Short, because a shim's socket lies below it and a socket's path has 107 bytes at most. */
  readonly execRoot = join('/run', this.id);
  readonly pidfile = join(this.root, 'gantryd.pid');
  readonly socketPath = join(this.root, 'gantryd.sock');
  readonly logPath = join(this.root, 'gantryd.log');
  readonly bridge = this.id.replaceAll('-', '').slice(0, 15);
  readonly bridgeAddress = `10.${100 + ((process.pid >> 8) & 127)}.${process.pid & 255}.${1 + 32 * (instances % 8)}`;
  readonly cgroupParent = `/${this.id}`;
  #child: ChildProcess | undefined;
  #expectedToRun = false;

  /**
   * @param extraFlags further flags of gantryd
   * @param remapped for a daemon with user namespaces: the directory of its data root, and a command that runs it
   */
  constructor(
    private readonly extraFlags: string[] = [],
    private readonly remapped?: { directory: string; runner: readonly string[] },
  ) {
    this.dataRoot = join(this.#configuredDataRoot, remapped?.directory ?? '');
    mkdirSync(this.#configuredDataRoot, { recursive: true });
  }

  get host(): string {
    return `unix://${this.socketPath}`;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.id} is not running`);
    return this.#child.pid;
  }

  /** Starts the daemon and returns when it answers. */
  async start(): Promise<void> {
    const log = openSync(this.logPath, 'a');
    const [program = '', ...words] = [...(this.remapped?.runner ?? []), join(REPOSITORY, 'bin/gantryd')];
    this.#child = spawn(program, [...words, ...this.#flags()], { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#expectedToRun = true;
    await this.#untilItAnswers();
  }

  /** Ends the daemon as an administrator would; containers run on or stop as it is configured. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Ends the daemon without warning. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Takes everything away: daemon, containers, bridge, cgroups, directories. Never throws for what is already gone. */
  async dispose(): Promise<void> {
    const died = this.#expectedToRun && this.#hasEnded();
    await this.stop().catch(() => this.kill());
    for (const { pid } of processesOf(this)) killQuietly(pid);
    await deleteBridge(this.bridge);
    await removeCgroups(this.cgroupParent);
    const log = this.logTail(60);
    rmSync(this.execRoot, { recursive: true, force: true });
    if (process.env['GANTRY_TEST_KEEP'] === undefined) rmSync(this.root, { recursive: true, force: true });
    if (died) throw new Error(`gantryd ended by itself\n${log}`);
  }

  /** The last lines of what the daemon has said. */
  logTail(lines = 25): string {
    if (!existsSync(this.logPath)) return '';
    return readFileSync(this.logPath, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  #flags(): string[] {
    return [
      ...['--host', this.host],
      ...['--data-root', this.#configuredDataRoot],
      ...['--exec-root', this.execRoot],
      ...['--pidfile', this.pidfile],
      ...['--config-file', join(this.root, 'daemon.json')].filter(() => existsSync(join(this.root, 'daemon.json'))),
      ...['--bridge', this.bridge],
      ...['--bip', `${this.bridgeAddress}/27`],
      ...['--cgroup-parent', this.cgroupParent],
      ...this.extraFlags,
    ];
  }

  async #untilItAnswers(): Promise<void> {
    const client = new RawHttpClient(this.socketPath, STARTS_WITHIN_MS);
    const deadline = Date.now() + STARTS_WITHIN_MS;
    try {
      for (;;) {
        const answer = await client.send('GET', '/_ping').catch(() => undefined);
        if (answer?.status === 200) return;
        if (this.#hasEnded()) throw new Error(`gantryd did not start\n${this.logTail()}`);
        if (Date.now() > deadline) throw new Error(`gantryd does not answer\n${this.logTail()}`);
        await delay(10);
      }
    } finally {
      client.close();
    }
  }

  #hasEnded(): boolean {
    return this.#child !== undefined && (this.#child.exitCode !== null || this.#child.signalCode !== null);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#expectedToRun = false;
    const child = this.#child;
    if (child === undefined || this.#hasEnded()) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    const timeout = new AbortController();
    const tooLate = delay(STOPS_WITHIN_MS, 'late', { signal: timeout.signal }).catch(() => 'ended');
    const outcome = await Promise.race([ended, tooLate]);
    timeout.abort();
    if (outcome === 'late') throw new Error(`gantryd does not end on ${signal}\n${this.logTail()}`);
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}
