import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CliOptions } from './docker-cli.js';
import type { TestEngine } from './test-engine.js';
import { writeFiles } from './write-files.js';

/** What a build said; it may have failed. */
export interface BuildOutput {
  code: number;
  output: string;
}

/** A directory with a Dockerfile, built with the stock CLI. Every image it makes is called `built`. */
export class BuildDirectory {
  path = '';

  /** @param variables of the CLI: `DOCKER_BUILDKIT` says which API it speaks */
  constructor(
    readonly engine: TestEngine,
    readonly variables: Record<string, string>,
  ) {}

  create(): void {
    this.path = mkdtempSync(join(this.engine.directory, 'context-'));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  /** @returns the path of the last one */
  write(files: Record<string, string | Buffer>): string {
    return writeFiles(this.path, files);
  }

  /** `docker build` with these arguments alone. */
  async start(args: string[], options: CliOptions = {}): Promise<BuildOutput> {
    const env = { ...this.variables, ...options.env };
    const { code, stdout, stderr } = await this.engine.docker.run(['build', ...args], { ...options, env });
    return { code, output: stdout + stderr };
  }

  /** Builds the directory, with the lines of a Dockerfile. @returns what the CLI prints */
  async build(lines: readonly string[], ...options: string[]): Promise<string> {
    this.write({ Dockerfile: `${lines.join('\n')}\n` });
    return this.ok([...options, this.path]);
  }

  /** Any build that has to succeed. */
  async ok(args: string[], options: CliOptions = {}): Promise<string> {
    const { code, output } = await this.start(['--tag', 'built', ...args], options);
    if (code !== 0) throw new Error(`docker build ${args.join(' ')}: exit code ${code}\n${output}`);
    return output;
  }

  async failure(lines: readonly string[], ...options: string[]): Promise<string> {
    this.write({ Dockerfile: `${lines.join('\n')}\n` });
    const { code, output } = await this.start([...options, this.path]);
    if (code === 0) throw new Error(`the build should have failed\n${output}`);
    return output;
  }

  /** What a command prints in a container of the image. */
  run(...command: string[]): Promise<string> {
    return this.engine.docker.ok('run', '--rm', 'built', ...command);
  }

  inspect(format: string): Promise<string> {
    return this.engine.docker.ok('image', 'inspect', '--format', format, 'built');
  }
}

/** Gives a test file a new directory for each test. */
export function useBuildDirectory(engine: TestEngine, variables: Record<string, string>): BuildDirectory {
  const directory = new BuildDirectory(engine, variables);
  beforeEach(() => directory.create());
  afterEach(async () => {
    directory.remove();
    await engine.docker.ok('image', 'prune', '--force');
  });
  return directory;
}

/** For what holds in both APIs: `describe.each(bothApis)`. */
export const bothApis: [string, Record<string, string>][] = [
  ['classic', { DOCKER_BUILDKIT: '0' }],
  ['BuildKit', { DOCKER_BUILDKIT: '1', BUILDKIT_PROGRESS: 'plain' }],
];
