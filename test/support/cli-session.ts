import { execFileSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const APPEARS_WITHIN_MS = 15_000;

/** The prompt of busybox's shell as root, with or without the question it asks the terminal for its position. */
// eslint-disable-next-line no-control-regex -- what a terminal sends
export const SHELL_PROMPT = /# (\u001b\[6n)?$/;

/** A running command: what it has said so far, and the means to say something to it. */
export class CliSession {
  stdout = '';
  stderr = '';
  /** Its exit code, once it has ended. */
  readonly ended: Promise<number>;
  #code: number | undefined;

  constructor(private readonly child: ChildProcessWithoutNullStreams) {
    child.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    child.stdin.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      child.on('close', (code) => resolve((this.#code = code ?? -1)));
    });
  }

  write(text: string): void {
    this.child.stdin.write(text);
  }

  endInput(): void {
    this.child.stdin.end();
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Waits until stdout matches. */
  async says(pattern: RegExp | string): Promise<void> {
    const deadline = Date.now() + APPEARS_WITHIN_MS;
    const matches = (): boolean =>
      typeof pattern === 'string' ? this.stdout.includes(pattern) : pattern.test(this.stdout);
    while (!matches()) {
      if (Date.now() > deadline || this.#code !== undefined) {
        const state = this.#code === undefined ? 'runs on' : `ended with ${this.#code}`;
        throw new Error(`never said ${String(pattern)}, ${state}; it said:\n${this.stdout}\n${this.stderr}`);
      }
      await delay(10);
    }
  }

  /** Its exit code; kills it and fails when it does not end. */
  async exitCode(withinMs = 15_000): Promise<number> {
    const code = await Promise.race([this.ended, delay(withinMs, undefined, { ref: false })]);
    if (code !== undefined) return code;
    this.child.kill('SIGKILL');
    throw new Error(`does not end; it said:\n${this.stdout}\n${this.stderr}`);
  }

  /** Changes the size of the terminal that `script` made for the command, which is then told by SIGWINCH. */
  resize(rows: number, columns: number): void {
    const script = this.child.pid as number;
    const command = readFileSync(`/proc/${script}/task/${script}/children`, 'utf8').trim().split(' ')[0];
    const terminal = readlinkSync(`/proc/${command}/fd/0`);
    execFileSync('stty', ['-F', terminal, 'rows', String(rows), 'cols', String(columns)]);
  }
}
