import type { Instruction, InstructionOf } from '../dockerfile/instruction.js';
import { ShellWords } from '../dockerfile/shell-words.js';
import { environmentOf, applyInstruction, isConfigInstruction } from '../images/instructions.js';
import { inPlace } from './build-error.js';
import type { StepPhase } from './build-progress.js';
import type { BuildSession } from './build-session.js';
import type { CachedStep } from './cache.js';
import { stepKey } from './cache-key.js';
import { prepareCopy } from './copy-step.js';
import { documentOf } from './image-of-state.js';
import type { BuildLayer } from './layers.js';
import { PendingSteps } from './pending-steps.js';
import type { PlannedStage, StageSources } from './plan.js';
import { Vertex } from './progress.js';
import { prepareRun } from './run-step.js';
import type { StageState } from './stage-state.js';
import { digestOf } from '../images/digest.js';

/** A step that may make a layer, ready to be looked up or executed. */
interface LayerStep {
  what: object;
  /** What it is whatever it stands on, for a step that does not depend on that. */
  linked?: object | undefined;
  createdBy: string;
  execute(vertex: Vertex): Promise<BuildLayer | undefined>;
}

/** The position of a stage's steps among those of the whole build, for clients that count them. */
export interface StepNumbers {
  first: number;
  total: number;
}

/** Carries out the instructions of one stage, one after the other. */
export class StageBuilder {
  readonly #pending: PendingSteps;
  /** A step has had to run: what follows it has been made on nothing that is here. */
  #missed = false;
  #position = 0;
  #hits = 0;
  /** Instructions of the base image's ONBUILD that are still to come. */
  #triggers = 0;

  constructor(
    readonly session: BuildSession,
    readonly sources: StageSources,
    readonly stage: PlannedStage,
    readonly globals: ReadonlyMap<string, string>,
    readonly numbers: StepNumbers,
    readonly useCache: boolean,
  ) {
    this.#pending = new PendingSteps(session.cache);
  }

  /** @throws BuildError naming the instruction that failed */
  async build(base: StageState, triggers: readonly Instruction[]): Promise<StageState> {
    const instructions = [...triggers, ...this.stage.instructions];
    const count = instructions.length + 1;
    let state = base;
    let previous = this.#vertex(state, this.stage.from, 1, count, []);
    this.#begin(previous, this.stage.from);
    previous.complete({ cached: true });
    this.#end(previous, state, false);
    this.#triggers = triggers.length;
    if (triggers.length > 0) this.#tell(previous, { phase: 'triggers', count: triggers.length });
    try {
      for (const [index, instruction] of instructions.entries()) {
        this.session.signal.throwIfAborted();
        const vertex = this.#vertex(state, instruction, index + 2, count, [previous.digest]);
        state = await this.#step(state, instruction, vertex);
        previous = vertex;
      }
    } finally {
      // Also what was done before a failure is of use to the next build.
      await this.#pending.publishAll();
    }
    return state;
  }

  #vertex(
    state: StageState,
    { location, text }: Instruction | PlannedStage['from'],
    position: number,
    count: number,
    inputs: readonly string[],
  ): Vertex {
    const isOnly = this.sources.stages.length === 1;
    const shown = text.replace(/\s+/g, ' ');
    const name = `[${isOnly ? '' : `${this.stage.title} `}${position}/${count}] ${shown}`;
    const lines = { first: location.line, last: location.lastLine };
    return new Vertex(this.session.report, `${state.key} ${name} ${location.line}`, name, { inputs, lines });
  }

  async #step(state: StageState, instruction: Instruction, vertex: Vertex): Promise<StageState> {
    this.#begin(vertex, instruction);
    try {
      return await this.#carryOut(state, instruction, vertex);
    } catch (error) {
      const placed = inPlace(error, this.session.request.dockerfileName, instruction.location);
      vertex.fail(error);
      throw placed;
    }
  }

  async #carryOut(state: StageState, instruction: Instruction, vertex: Vertex): Promise<StageState> {
    switch (instruction.keyword) {
      case 'RUN':
        return this.#layerStep(state, vertex, async () => {
          const prepared = await prepareRun(this.session, this.sources, state, instruction);
          return {
            ...prepared,
            execute: (running) => prepared.execute(running, (id) => this.#tell(running, { phase: 'container', id })),
          };
        });
      case 'COPY':
      case 'ADD':
        return this.#layerStep(state, vertex, () => prepareCopy(this.session, this.sources, state, instruction));
      case 'WORKDIR':
        return this.#workingDirectory(state, instruction, vertex);
      default:
        return this.#configStep(state, instruction, vertex);
    }
  }

  /** Changes the configuration only. */
  #configStep(state: StageState, instruction: Instruction, vertex: Vertex): StageState {
    const next = this.#configured(state, instruction);
    vertex.complete({ cached: true });
    this.#end(vertex, next, this.#hits > 0 && !this.#missed);
    return next;
  }

  #configured(state: StageState, instruction: Instruction): StageState {
    const history = [
      ...state.history,
      { created: state.created, created_by: createdBy(instruction), empty_layer: true },
    ];
    if (instruction.keyword === 'ARG') return { ...state, history, arguments: this.#declared(state, instruction) };
    if (instruction.keyword === 'MAINTAINER') return { ...state, history, author: instruction.value };
    if (!isConfigInstruction(instruction)) throw new Error(`${instruction.keyword} cannot stand here`);
    const { escape } = this.session;
    const config = applyInstruction(state.config, instruction, { escape, variables: state.arguments });
    // A command of the base image is meant for the base image's entrypoint.
    if (instruction.keyword === 'ENTRYPOINT' && !state.hasCommand) config.Cmd = null;
    return { ...state, config, history, hasCommand: state.hasCommand || instruction.keyword === 'CMD' };
  }

  #declared(state: StageState, { variables }: InstructionOf<'ARG'>): ReadonlyMap<string, string> {
    const declared = new Map(state.arguments);
    for (const { name, value } of variables) {
      const words = new ShellWords(this.session.escape, new Map([...declared, ...environmentOf(state.config)]));
      const fallback = value === undefined ? undefined : words.expand(value);
      const known = this.session.arguments.declare(name, fallback, this.globals);
      if (known !== undefined) declared.set(name, known);
    }
    return declared;
  }

  async #workingDirectory(state: StageState, instruction: Instruction, vertex: Vertex): Promise<StageState> {
    const { history: _, ...configured } = this.#configured(state, instruction);
    const path = configured.config.WorkingDir ?? '/';
    const { layers, addon, mapping } = this.session;
    const next = { ...configured, history: state.history };
    return this.#layerStep(next, vertex, () =>
      Promise.resolve({
        what: { directory: path },
        createdBy: createdBy(instruction),
        async execute() {
          const upper = layers.newUpper();
          await addon.makeDirectory(layers.writableRoot(state.layers, upper), path.replace(/^\/+/, ''), mapping.root);
          return layers.finish(upper);
        },
      }),
    );
  }

  async #layerStep(state: StageState, vertex: Vertex, prepare: () => Promise<LayerStep>): Promise<StageState> {
    await this.#pending.publishReady();
    const step = await prepare();
    const key = stepKey(state.key, step.what);
    const linkedKey = step.linked && stepKey('', { linked: step.linked });
    const found = (await this.#find(key, state)) ?? (await this.#findLinked(linkedKey, key, state, step.createdBy));
    if (found) {
      this.#hits++;
      const next = withLayer(state, key, step.createdBy, found.created, found.layer);
      vertex.complete({ cached: true });
      this.#end(vertex, next, true);
      return next;
    }
    this.#missed = true;
    return this.session.steps.use(this.session.signal, () => this.#execute(state, { key, linkedKey }, step, vertex));
  }

  /** What a linked step made on other ground, put on this one. */
  async #findLinked(
    linkedKey: string | undefined,
    key: string,
    state: StageState,
    description: string,
  ): Promise<CachedStep | undefined> {
    if (!this.useCache || linkedKey === undefined) return undefined;
    const found = await this.session.cache.findLinked(linkedKey);
    if (found) {
      const entry = { key, linkedKey, parentKey: state.key, description, created: found.created };
      this.#pending.add(entry, state.layers, found.layer);
    }
    return found;
  }

  async #find(key: string, state: StageState): Promise<CachedStep | undefined> {
    if (!this.useCache || this.#missed) return undefined;
    return this.session.cache.find(key, state.layers);
  }

  async #execute(
    state: StageState,
    { key, linkedKey }: { key: string; linkedKey: string | undefined },
    step: LayerStep,
    vertex: Vertex,
  ): Promise<StageState> {
    this.session.signal.throwIfAborted();
    vertex.start();
    const layer = await step.execute(vertex);
    const now = this.session.request.sourceDateEpoch;
    const created = (now === undefined ? new Date() : new Date(now * 1000)).toISOString();
    const entry = { key, linkedKey, parentKey: state.key, description: step.createdBy, created };
    this.#pending.add(entry, state.layers, layer);
    const next = withLayer(state, key, step.createdBy, created, layer);
    vertex.complete();
    this.#end(vertex, next, false);
    return next;
  }

  #begin(vertex: Vertex, { text }: { text: string }): void {
    const isTrigger = this.#triggers > 0 && this.#position > 0;
    if (isTrigger) this.#triggers--;
    const number = isTrigger ? undefined : this.numbers.first + this.#position++;
    this.#tell(vertex, { phase: 'begin', number, total: this.numbers.total, text });
  }

  #end(vertex: Vertex, state: StageState, cached: boolean): void {
    const imageId = async (): Promise<string> => digestOf(JSON.stringify(await documentOf(state)));
    this.#tell(vertex, { phase: 'end', cached, imageId });
  }

  #tell(vertex: Vertex, phase: StepPhase): void {
    this.session.report({ kind: 'step', vertex: vertex.digest, stage: this.stage.index, ...phase });
  }
}

/** How the history of an image shows an instruction. */
const createdBy = ({ text }: Instruction): string => text.replace(/\s*\n\s*/g, ' ');

function withLayer(
  state: StageState,
  key: string,
  createdByText: string,
  created: string,
  layer: BuildLayer | undefined,
): StageState {
  return {
    ...state,
    key,
    created,
    steps: [
      ...state.steps,
      { key, parentKey: state.key, createdBy: createdByText, created, layer: layer ? state.layers.length : -1 },
    ],
    layers: layer ? [...state.layers, layer] : state.layers,
    history: [...state.history, { created, created_by: createdByText, ...(layer ? {} : { empty_layer: true }) }],
  };
}
