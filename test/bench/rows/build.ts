import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BenchEngine } from '../engine.js';
import { MemoryProbe } from '../memory-probe.js';
import { RequestClock } from '../request-clock.js';
import { PerEngine, type Row } from '../row.js';

const run = promisify(execFile);
const TAG = 'gantry-bench-build';

/** Which of the API's two ways the docker CLI goes. */
type Way = 'classic' | 'buildx';

/** A directory with a Dockerfile, built by the stock CLI. */
class Project {
  readonly directory = mkdtempSync(join(tmpdir(), 'gantry-bench-build-'));

  private constructor(readonly clock: RequestClock) {}

  static async on(engine: BenchEngine): Promise<Project> {
    return new Project(await RequestClock.before(engine.client.socketPath));
  }

  write(name: string, content: string | Buffer): void {
    writeFileSync(join(this.directory, name), content);
  }

  /** @returns milliseconds from the client's first request until it has ended; it takes longer to come up than a build may */
  build(way: Way, ...options: string[]): Promise<number> {
    return this.clock.time(() => this.#build(way, options));
  }

  async #build(way: Way, options: string[]): Promise<void> {
    await this.#docker(['build', '--quiet', '--tag', TAG, ...options, this.directory], way === 'classic' ? '0' : '1');
  }

  async dispose(): Promise<void> {
    rmSync(this.directory, { recursive: true });
    await this.#docker(['image', 'rm', '--force', TAG], '1');
    await this.#docker(['image', 'prune', '--force'], '1');
    this.clock.close();
  }

  async #docker(args: string[], buildkit: string): Promise<void> {
    const host = `unix://${this.clock.socketPath}`;
    await run('docker', args, { env: { ...process.env, DOCKER_HOST: host, DOCKER_BUILDKIT: buildkit } });
  }
}

const STEPS = 12;

/** FROM and small RUN and COPY steps in turns, twelve in all. */
function smallSteps(project: Project): void {
  const lines = Array.from({ length: STEPS - 1 }, (_, index) =>
    index % 2 === 0 ? `RUN echo ${index} > /step${index}` : `COPY file${index} /`,
  );
  for (let index = 1; index < STEPS - 1; index += 2) project.write(`file${index}`, `${index}\n`);
  project.write('Dockerfile', ['FROM busybox', ...lines, ''].join('\n'));
}

const STAGES = 4;

/** Stages that each take half a second and do not need each other. */
function independentStages(project: Project): void {
  const stages = Array.from(
    { length: STAGES },
    (_, index) => `FROM busybox AS stage${index}\nRUN sleep 0.5; echo ${index} > /out${index}\n`,
  );
  const copies = stages.map((_, index) => `COPY --from=stage${index} /out${index} /\n`);
  project.write('Dockerfile', [...stages, 'FROM busybox\n', ...copies].join(''));
}

const DIRECTORIES = 500;
const FILES = 100;
const FILE_SIZE = 10_000;

/** 50 000 files, 500 MB. */
function largeContext(project: Project): void {
  for (let directory = 0; directory < DIRECTORIES; directory++) {
    mkdirSync(join(project.directory, `d${directory}`));
    for (let file = 0; file < FILES; file++) project.write(`d${directory}/f${file}`, randomBytes(FILE_SIZE));
  }
  project.write('Dockerfile', 'FROM busybox\nCOPY . /context\n');
}

async function whyUnavailable(way: Way): Promise<string | undefined> {
  const command = way === 'classic' ? ['--version'] : ['buildx', 'version'];
  return run('docker', command).then(
    () => undefined,
    () => `there is no docker ${way === 'classic' ? 'CLI' : 'buildx'}`,
  );
}

interface BuildRow {
  key: string;
  title: string;
  way: Way;
  fill: (project: Project) => void;
  /** What is done before the clock starts, each time. */
  change?: (project: Project) => void;
  options?: string[];
  maxRounds?: number;
}

function buildRow({ key, title, way, fill, change, options = [], maxRounds }: BuildRow): Row {
  const projects = new PerEngine<Project>();
  return {
    key,
    title,
    unit: 'ms',
    statistics: ['p50', 'min'],
    ...(maxRounds !== undefined && { maxRounds }),
    unavailable: () => whyUnavailable(way),
    async setUp(engine) {
      const project = await Project.on(engine);
      projects.set(engine, project);
      fill(project);
    },
    warmUp: (engine) => projects.get(engine).build(way),
    async block(engine) {
      const project = projects.get(engine);
      change?.(project);
      return [await project.build(way, ...options)];
    },
    tearDown: (engine) => projects.get(engine).dispose(),
  };
}

const smallRows = (['classic', 'buildx'] as const).flatMap((way) => [
  buildRow({
    key: `build-${way}`,
    title: `build of ${STEPS} steps, ${way}, --no-cache`,
    way,
    fill: smallSteps,
    options: ['--no-cache'],
  }),
  buildRow({ key: `build-${way}-cached`, title: `the same, ${way}, all in the cache`, way, fill: smallSteps }),
]);

/** Highest memory in the builds of the row before it. */
const peaks = new Map<BenchEngine, number>();

const contextRow = buildRow({
  key: 'build-context',
  title: 'build with a context of 50 000 files, 500 MB, one changed, buildx',
  way: 'buildx',
  fill: largeContext,
  change: (project) => project.write('d0/f0', randomBytes(FILE_SIZE)),
  maxRounds: 3,
});

/** With the memory of the engine watched, also during the first build, for which everything has to come over. */
const watchedContextRow: Row = {
  ...contextRow,
  warmUp: (engine) => watched(engine, async () => void (await contextRow.warmUp?.(engine))),
  block: (engine) => watched(engine, () => contextRow.block(engine)),
};

async function watched<T>(engine: BenchEngine, action: () => Promise<T>): Promise<T> {
  const memory = new MemoryProbe(engine);
  try {
    return await action();
  } finally {
    memory.stop();
    peaks.set(engine, Math.max(peaks.get(engine) ?? 0, memory.peak));
  }
}

const contextMemoryRow: Row = {
  key: 'build-context-memory',
  title: 'peak PSS of the engine in builds with that context',
  unit: 'MiB',
  statistics: ['max'],
  maxRounds: 1,
  unavailable: (engine) => {
    if (engine.daemonPid() === undefined) return 'needs --pidfile';
    return peaks.has(engine) ? undefined : 'needs the row build-context before it';
  },
  async block(engine) {
    return [peaks.get(engine)!];
  },
};

/** Builds through the stock CLI, by both of its ways. */
export const buildRows: Row[] = [
  ...smallRows,
  buildRow({
    key: 'build-stages',
    title: `build of ${STAGES} independent stages of 500 ms, buildx, --no-cache`,
    way: 'buildx',
    fill: independentStages,
    options: ['--no-cache'],
    maxRounds: 3,
  }),
  watchedContextRow,
  contextMemoryRow,
];
