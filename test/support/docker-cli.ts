import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CliSession } from './cli-session.js';
import { SLOWNESS } from './slowness.js';

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  /** What the command reads; without it stdin is /dev/null. */
  input?: string | Buffer;
  env?: Record<string, string>;
  timeoutMs?: number;
}

/** The stock docker CLI, pointed at one engine and knowing nothing of the user's own configuration. */
export class DockerCli {
  readonly #configuration = mkdtempSync(join(tmpdir(), 'docker-config-'));

  /** @param context what an error should show beside the command's own words: the end of the daemon's log */
  constructor(
    readonly host: string,
    private readonly context: () => string = () => '',
  ) {}

  /** Runs a command to its end, whatever its exit code. */
  async run(args: string[], options: CliOptions = {}): Promise<CliResult> {
    const { code, stdout, stderr } = await this.runBinary(args, options);
    return { code, stdout: stdout.toString(), stderr };
  }

  /** Runs a command that has to succeed; its stdout without the last newline. */
  async ok(...args: string[]): Promise<string> {
    return this.okWith({}, ...args);
  }

  async okWith(options: CliOptions, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    if (code !== 0) throw new Error(`docker ${args.join(' ')}: exit code ${code}\n${stdout}${stderr}${this.context()}`);
    return stdout.replace(/\n$/, '');
  }

  /** Runs a command that has to fail; its stderr. */
  async fails(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code === 0) throw new Error(`docker ${args.join(' ')} should have failed\n${stdout}`);
    return stderr;
  }

  /** Like {@link run}, with stdout as bytes. */
  runBinary(args: string[], options: CliOptions = {}): Promise<{ code: number; stdout: Buffer; stderr: string }> {
    const child = spawn('docker', args, {
      env: this.#environment(options.env),
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 45_000 * SLOWNESS,
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A command may end without having read its input.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input);
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) =>
        resolve({ code: code ?? -1, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }),
      );
    });
  }

  /** What `docker events` tells of the time since then, in milliseconds, until now; a line for each. */
  async eventsSince(since: number, filter: string, format: string): Promise<string[]> {
    const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(3);
    const times = ['--since', seconds(since), '--until', seconds(Date.now() + 10)];
    const lines = await this.ok('events', ...times, '--filter', filter, '--format', format);
    return lines === '' ? [] : lines.split('\n');
  }

  /** Starts a command to talk with, its stdin a pipe. */
  session(...args: string[]): CliSession {
    return new CliSession(spawn('docker', args, { env: this.#environment() }));
  }

  /** Starts a command on a terminal of the given size. */
  terminal(size: { rows: number; columns: number }, ...args: string[]): CliSession {
    const command = ['docker', ...args].map(quote).join(' ');
    const script = `stty rows ${size.rows} cols ${size.columns}; exec ${command}`;
    const child = spawn('script', ['--quiet', '--return', '--flush', '--command', script, '/dev/null'], {
      env: this.#environment({ SHELL: '/bin/sh', TERM: 'xterm' }),
    });
    return new CliSession(child);
  }

  dispose(): void {
    rmSync(this.#configuration, { recursive: true, force: true });
  }

  #environment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
    return { ...process.env, DOCKER_HOST: this.host, DOCKER_CONFIG: this.#configuration, ...extra };
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
