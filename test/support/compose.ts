import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { CliSession } from './cli-session.js';
import type { CliOptions, CliResult } from './docker-cli.js';
import type { TestEngine } from './test-engine.js';
import { writeFiles } from './write-files.js';

let projects = 0;

/** One line of `docker compose ps --format json`. */
export interface ComposeProcess {
  ID: string;
  Name: string;
  Service: string;
  State: string;
  Health: string;
  ExitCode: number;
  Publishers: { URL: string; TargetPort: number; PublishedPort: number; Protocol: string }[] | null;
}

/** A Compose project in a directory of its own, driven by the stock plugin. */
export class ComposeProject {
  readonly name = `p${process.pid}x${++projects}`;
  readonly directory: string;

  constructor(private readonly engine: Pick<TestEngine, 'docker' | 'directory'>) {
    this.directory = mkdtempSync(join(engine.directory, `${this.name}-`));
  }

  /** Writes a file of the project; a value that is not text becomes JSON, which is YAML too. */
  write(path: string, content: string | object): void {
    writeFiles(this.directory, { [path]: typeof content === 'string' ? content : JSON.stringify(content, null, 2) });
  }

  run(args: string[], options: CliOptions = {}): Promise<CliResult> {
    return this.engine.docker.run(this.#arguments(args), options);
  }

  ok(...args: string[]): Promise<string> {
    return this.engine.docker.ok(...this.#arguments(args));
  }

  session(...args: string[]): CliSession {
    return this.engine.docker.session(...this.#arguments(args));
  }

  /** The containers of the project by service, replicas in order. */
  async processes(...args: string[]): Promise<ComposeProcess[]> {
    const lines = (await this.ok('ps', '--all', '--format', 'json', ...args)).split('\n');
    const processes = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as ComposeProcess);
    return processes.sort((one, other) => one.Name.localeCompare(other.Name));
  }

  async containerId(service: string): Promise<string> {
    return this.ok('ps', '--all', '--quiet', service);
  }

  /** Takes everything away, whatever state the project is in. */
  async dispose(): Promise<void> {
    await this.ok('--profile', '*', 'down', '--volumes', '--remove-orphans', '--timeout', '1');
  }

  #arguments(args: string[]): string[] {
    return ['compose', '--ansi', 'never', '--project-directory', this.directory, '--project-name', this.name, ...args];
  }
}

/** Whether the classic docker-compose (1.29) is on this machine: Debian 13 no longer has it. */
export const hasClassicCompose = spawnSync('docker-compose', ['version', '--short'], {
  encoding: 'utf8',
}).stdout?.startsWith('1.');
