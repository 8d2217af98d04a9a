import type { BuildSession } from './build-session.js';
import type { BuildPlan, PlannedStage, StageSources } from './plan.js';
import { openBase } from './stage-base.js';
import { StageBuilder, type StepNumbers } from './stage-builder.js';
import type { StageState } from './stage-state.js';
import { inPlace } from './build-error.js';

/** The stages of a build while they are built, each once, as many at a time as can be. */
export class StageResults {
  readonly #results = new Map<number, Promise<StageState>>();

  constructor(
    readonly session: () => BuildSession,
    readonly plan: BuildPlan,
    readonly sources: StageSources,
    readonly globals: ReadonlyMap<string, string>,
    /** Called with the first failure: the others are of no use then. */
    readonly onFailure: (error: unknown) => void,
  ) {}

  /** Builds all that the target needs. @throws what the first failure was */
  async target(): Promise<StageState> {
    const order = this.plan.stages.map(({ index }) => index);
    this.session().report({ kind: 'step', vertex: '', stage: this.plan.target, phase: 'stages', order });
    const all = order.map((index) => this.result(index));
    await Promise.allSettled(all);
    return this.result(this.plan.target);
  }

  result(index: number): Promise<StageState> {
    let result = this.#results.get(index);
    if (!result) {
      result = this.#build(this.plan.stage(index)).then((state) => {
        this.session().report({ kind: 'step', vertex: '', stage: index, phase: 'stage-end' });
        return state;
      });
      this.#results.set(index, result);
      result.catch((error: unknown) => this.onFailure(error));
    }
    return result;
  }

  async #build(stage: PlannedStage): Promise<StageState> {
    const session = this.session();
    const base = await openBase(session, stage, (index) => this.result(index)).catch((error: unknown) => {
      const isOfStage = stage.base.kind === 'stage';
      throw isOfStage ? error : inPlace(error, session.request.dockerfileName, stage.from.location);
    });
    const { noCache } = session.request;
    const isFresh =
      typeof noCache === 'boolean' ? noCache : noCache.has(stage.title) || noCache.has(String(stage.index));
    const builder = new StageBuilder(session, this.sources, stage, this.globals, this.#numbers(stage), !isFresh);
    return builder.build(base.state, base.triggers);
  }

  #numbers(stage: PlannedStage): StepNumbers {
    const count = ({ instructions }: PlannedStage): number => instructions.length + 1;
    const before = this.plan.stages.filter(({ index }) => index < stage.index);
    const sum = (stages: readonly PlannedStage[]): number => stages.reduce((total, each) => total + count(each), 0);
    return { first: sum(before) + 1, total: sum(this.plan.stages) };
  }
}
