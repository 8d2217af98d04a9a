import type { Location } from '../dockerfile/dockerfile-error.js';
import type { Instruction } from '../dockerfile/instruction.js';
import type { Dockerfile, Stage } from '../dockerfile/parse.js';
import { ShellWords, type Variables } from '../dockerfile/shell-words.js';
import { invalid } from '../errors.js';
import { parsePlatform, type Platform } from '../images/platform.js';
import { BuildError, inPlace } from './build-error.js';
import type { BuildRequest } from './build-request.js';

/** Where a stage, a COPY or a mount takes its files from. */
export type Source =
  | { kind: 'stage'; index: number }
  | { kind: 'context'; name: string }
  | { kind: 'image'; reference: string; platform?: Platform | undefined }
  | { kind: 'scratch' };

export interface PlannedStage {
  index: number;
  /** In messages: its name, or "stage-1". */
  title: string;
  base: Source;
  platform: Platform | undefined;
  from: Stage['from'];
  instructions: readonly Instruction[];
  /** Stages that it needs files of, its base first. */
  needs: readonly number[];
}

/** The stages that a target needs. */
export interface BuildPlan {
  /** In the order of the Dockerfile. */
  stages: readonly PlannedStage[];
  target: number;
  /** A stage by its position; also one that is needed only by what a base image brings. @throws BuildError */
  stage(index: number): PlannedStage;
}

type Requested = Pick<BuildRequest, 'target' | 'platform' | 'dockerfileName'> & {
  namedContexts: ReadonlyMap<string, unknown>;
};

/**
 * Finds out which stages have to be built.
 *
 * @param globals variables of FROM
 * @throws BuildError for a stage that does not exist, or that needs itself
 */
export function planBuild(dockerfile: Dockerfile, request: Requested, globals: Variables): BuildPlan {
  const sources = new StageSources(dockerfile.stages, request);
  const target = sources.target(request.target);
  const planner = new Planner(dockerfile, request, globals, sources);
  planner.visit(target, []);
  return {
    target,
    stages: planner.planned.filter((stage) => stage !== undefined),
    stage(index) {
      planner.visit(index, []);
      return planner.planned[index]!;
    },
  };
}

/** What names of stages, contexts and images stand for. */
export class StageSources {
  constructor(
    readonly stages: readonly Stage[],
    readonly request: Pick<Requested, 'namedContexts'>,
  ) {}

  /** The stage to build. @throws GantryError invalid */
  target(wanted: string | undefined): number {
    if (wanted === undefined || wanted === '') return this.stages.length - 1;
    const index = this.#stage(wanted, this.stages.length);
    if (index === undefined) throw invalid(`target stage "${wanted}" could not be found`);
    return index;
  }

  /** What FROM names: only stages above it count. */
  base(image: string, index: number, platform: Platform | undefined): Source {
    if (this.#context(image)) return { kind: 'context', name: image.toLowerCase() };
    const stage = this.#stageByName(image, index);
    if (stage !== undefined) return { kind: 'stage', index: stage };
    if (image === 'scratch') return { kind: 'scratch' };
    return { kind: 'image', reference: image, platform };
  }

  /** What --from, or from= of a mount, names. @throws GantryError invalid for the index of no stage */
  files(name: string): Source {
    if (this.#context(name)) return { kind: 'context', name: name.toLowerCase() };
    const stage = this.#stage(name, this.stages.length);
    if (stage !== undefined) return { kind: 'stage', index: stage };
    if (/^\d+$/.test(name)) throw invalid(`invalid from flag value ${name}: there is no stage with this index`);
    if (name === 'scratch') return { kind: 'scratch' };
    return { kind: 'image', reference: name };
  }

  #context(name: string): boolean {
    return this.request.namedContexts.has(name.toLowerCase());
  }

  #stage(name: string, below: number): number | undefined {
    const byName = this.#stageByName(name, below);
    if (byName !== undefined || !/^\d+$/.test(name)) return byName;
    return Number(name) < below ? Number(name) : undefined;
  }

  /** Of several with one name the last counts. */
  #stageByName(name: string, below: number): number | undefined {
    const found = this.stages.slice(0, below).findLastIndex((stage) => stage.name === name.toLowerCase());
    return found < 0 ? undefined : found;
  }
}

class Planner {
  readonly planned: (PlannedStage | undefined)[];

  constructor(
    readonly dockerfile: Dockerfile,
    readonly request: Requested,
    readonly globals: Variables,
    readonly sources: StageSources,
  ) {
    this.planned = dockerfile.stages.map(() => undefined);
  }

  visit(index: number, path: readonly number[]): void {
    const stage = this.dockerfile.stages[index]!;
    if (path.includes(index)) {
      throw this.#error(`circular dependency detected on stage: ${stage.name ?? index}`, stage.from.location);
    }
    if (this.planned[index]) return;
    const planned = this.#plan(stage, index);
    for (const needed of planned.needs) this.visit(needed, [...path, index]);
    this.planned[index] = planned;
  }

  #plan(stage: Stage, index: number): PlannedStage {
    const { from } = stage;
    const { image, platform } = this.#inPlace(from.location, () => {
      const words = new ShellWords(this.dockerfile.directives.escape, this.globals);
      return { image: words.expand(from.image), platform: words.expand(from.platform ?? '') };
    });
    if (image === '') throw this.#error(`base name (${from.image}) should not be blank`, from.location);
    const parsed = this.#inPlace(from.location, () => (platform === '' ? undefined : parsePlatform(platform)));
    const base = this.sources.base(image, index, parsed);
    const needs = [base, ...stage.instructions.flatMap((instruction) => this.#sourcesOf(instruction))];
    return {
      index,
      title: stage.name ?? `stage-${index}`,
      base,
      platform: parsed,
      from,
      instructions: stage.instructions,
      needs: [...new Set(needs.flatMap((source) => (source.kind === 'stage' ? [source.index] : [])))],
    };
  }

  #sourcesOf(instruction: Instruction): Source[] {
    return this.#inPlace(instruction.location, () =>
      namesOfSources(instruction).map((name) => this.sources.files(name)),
    );
  }

  #inPlace<Result>(location: Location, work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw inPlace(error, this.request.dockerfileName, location);
    }
  }

  #error(reason: string, location: Location): BuildError {
    return new BuildError('invalid', reason, this.request.dockerfileName, location);
  }
}

/** The stages, contexts and images that an instruction names as the source of files. */
export function namesOfSources(instruction: Instruction): string[] {
  if (instruction.keyword === 'COPY') return instruction.from === undefined ? [] : [instruction.from];
  if (instruction.keyword !== 'RUN') return [];
  return instruction.mounts.flatMap(({ from }) => (from === '' ? [] : [from]));
}
