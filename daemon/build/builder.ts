import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { outlineOf, targetsOf } from '../dockerfile/outline.js';
import { GantryError, invalid } from '../errors.js';
import { digestOf } from '../images/digest.js';
import type { Images } from '../images/images.js';
import type { Image } from '../images/lookup.js';
import { formatPlatform, type Platform } from '../images/platform.js';
import type { ImagePlan } from '../images/publication.js';
import type { Puller } from '../images/registry/pull.js';
import { Slots } from '../slots.js';
import type { BuildCacheStore } from '../store/build-cache.js';
import type { BuildDownloadStore } from '../store/build-downloads.js';
import { BaseImages } from './base-images.js';
import { checkBuild, reportViolations, type CheckedBuild } from './build-checks.js';
import type { ReportProgress } from './build-progress.js';
import type { BuildRequest } from './build-request.js';
import type { Build, BuildResult, Inspection, MountedId } from './build-result.js';
import type { BuildSession } from './build-session.js';
import { StepCache } from './cache.js';
import type { CacheMounts } from './cache-mounts.js';
import { dryRun } from './dry-run.js';
import { expectedPaths } from './expected-paths.js';
import { exportResult } from './export-result.js';
import { imagePlanOf } from './image-of-state.js';
import { importInlineCache, withInlineCache } from './inline-cache.js';
import { LayerFacts } from './layer-facts.js';
import { BuildLayers } from './layers.js';
import { planBuild, StageSources, type BuildPlan, type PlannedStage } from './plan.js';
import { RemoteFiles } from './remote-files.js';
import { SourceFiles } from './source-files.js';
import { squash } from './squash.js';
import { targetPlatform } from './stage-base.js';
import { StageResults } from './stage-results.js';
import type { StageState } from './stage-state.js';
import type { StepContainers } from './step-containers.js';
import { BuildArguments, platformArguments } from './variables.js';

/** Below this many steps at a time one that waits for the network would hold up the others. */
const minimumParallelism = 4;

/** Builds images from Dockerfiles, for both APIs. */
export class Builder implements Build {
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  readonly facts = new LayerFacts();

  constructor(
    readonly images: Images,
    readonly puller: Puller,
    readonly cache: BuildCacheStore,
    readonly downloads: BuildDownloadStore,
    readonly cacheMounts: CacheMounts,
    readonly containers: StepContainers,
    /** Where secrets and sockets of running steps are: in memory. */
    readonly privateRoot: string,
  ) {}

  async build(request: BuildRequest, report: ReportProgress): Promise<BuildResult> {
    const signal = AbortSignal.any([request.signal, this.#closing.signal]);
    const building = this.#build({ ...request, signal }, report);
    const settled = building.then(
      () => undefined,
      () => undefined,
    );
    this.#running.add(settled);
    try {
      return await building;
    } finally {
      this.#running.delete(settled);
    }
  }

  async inspect(request: BuildRequest): Promise<Inspection> {
    const { dockerfile } = request;
    const { variables, globals, plan } = planOf(request);
    const bases = new BaseImages(this.images.lookup, this.puller, request, () => undefined);
    const image = (reference: string, platform: Platform): Promise<Image | undefined> =>
      Promise.resolve(bases.local(reference, platform));
    const needed = plan.stages.map(({ index, base, instructions }) => ({
      index,
      base: base.kind === 'stage' ? base.index : undefined,
      instructions,
    }));
    const checked = { dockerfile, plan, globals, request, image };
    return {
      checks: await checkBuild(checked),
      failure: await dryRun(checked).catch((error: unknown) => error),
      targets: targetsOf(dockerfile),
      outline: outlineOf(dockerfile, needed, plan.target, globals, (name) =>
        variables.declare(name, undefined, new Map()),
      ),
    };
  }

  /** Stops what is being built. Resolves when nothing of it runs any more. */
  async close(): Promise<void> {
    this.#closing.abort(new GantryError('unavailable', 'the build was stopped: the daemon is shutting down'));
    await Promise.all(this.#running);
  }

  async #build(request: BuildRequest, report: ReportProgress): Promise<BuildResult> {
    const complete = { ...request, sourceDateEpoch: request.sourceDateEpoch ?? epochOf(request.buildArgs) };
    const run = new BuildRun(this, complete, report);
    try {
      return await run.build();
    } catch (error) {
      await run.discard();
      throw error;
    }
  }

  /** At start, before anything runs: what builds of a daemon that was killed have left behind. */
  async collectGarbage(): Promise<void> {
    rmSync(this.privateRoot, { recursive: true, force: true });
    await this.cacheMounts.collectGarbage();
  }
}

/** The stages that are needed, and what they have for variables. */
function planOf(request: BuildRequest): {
  variables: BuildArguments;
  globals: ReadonlyMap<string, string>;
  plan: BuildPlan;
} {
  const variables = new BuildArguments(request.buildArgs, platformArguments(targetPlatform({ request })));
  const { dockerfile } = request;
  const { escape } = dockerfile.directives;
  const globals = variables.globals(dockerfile.globalArguments, escape, request.target ?? 'default');
  return { variables, globals, plan: planBuild(dockerfile, request, globals) };
}

/** One build from its start to its end. */
class BuildRun {
  readonly #failure = new AbortController();
  readonly #session: BuildSession;
  readonly #results: StageResults;
  readonly #checked: CheckedBuild;
  #privateDirectory: string | undefined;

  constructor(
    readonly builder: Builder,
    request: BuildRequest,
    report: ReportProgress,
  ) {
    const { images, puller, cacheMounts, containers } = builder;
    const { dockerfile } = request;
    const { escape } = dockerfile.directives;
    const { variables, globals, plan } = planOf(request);
    const sources = new StageSources(dockerfile.stages, request);
    const signal = AbortSignal.any([request.signal, this.#failure.signal]);
    const layers = new BuildLayers(images.content, request.sourceDateEpoch);
    const bases = new BaseImages(images.lookup, puller, { ...request, signal }, report);
    this.#results = new StageResults(
      () => this.#session,
      plan,
      sources,
      globals,
      (error) => this.#failure.abort(error),
    );
    // What cannot be had fails the build where it is needed.
    const image = (reference: string, platform: Platform): Promise<Image | undefined> =>
      bases.find(reference, platform).catch(() => undefined);
    this.#checked = { dockerfile, plan, globals, request, image };
    const stage = (index: number): Promise<StageState> => this.#results.result(index);
    this.#session = {
      request,
      escape,
      addon: images.content.addon,
      mapping: images.content.mapping,
      layers,
      facts: builder.facts,
      cache: new StepCache(builder.cache, layers),
      cacheMounts,
      images: bases,
      files: new SourceFiles(request, layers, bases, stage, expectedPaths(plan), report, signal),
      remote: new RemoteFiles(layers.staging, builder.downloads),
      containers,
      arguments: variables,
      privateDirectory: () => this.#makePrivateDirectory(),
      steps: new Slots(() => request.parallelism ?? Math.max(minimumParallelism, availableParallelism())),
      report,
      signal,
    };
  }

  async build(): Promise<BuildResult> {
    const session = this.#session;
    const { request } = session;
    reportViolations(await checkBuild(this.#checked), session.report);
    await this.#importCaches();
    const built = labelled(await this.#results.target(), request.labels);
    this.#warnOfUnused();
    const state = request.squash ? await squash(session, built) : built;
    const inline = request.inlineCache || request.buildArgs['BUILDKIT_INLINE_CACHE'] === '1';
    const plan = await imagePlanOf(state, (document) => (inline ? withInlineCache(document, state) : document));
    session.signal.throwIfAborted();
    const names = await exportResult(session, this.builder.images, state, plan);
    await this.#release();
    return this.#result(state, plan, names);
  }

  #warnOfUnused(): void {
    const { arguments: given, report } = this.#session;
    if (given.unused.length === 0) return;
    report({
      kind: 'warning',
      vertex: '',
      message: `One or more build-args [${given.unused.join(' ')}] were not consumed`,
    });
  }

  #result(state: StageState, plan: ImagePlan, names: readonly string[]): BuildResult {
    const { layers, images, remote } = this.#session;
    const { stages } = this.#checked.plan;
    return {
      id: digestOf(plan.config),
      config: Buffer.from(plan.config),
      document: plan.document,
      manifest: Buffer.from(plan.manifest),
      manifestDigest: digestOf(plan.manifest),
      layerDirectories: layers.directories(state.layers),
      names,
      platform: formatPlatform(state.platform),
      materials: [...images.materials, ...remote.materials],
      secrets: mountedIds(stages, 'secret'),
      agents: mountedIds(stages, 'ssh'),
      release: () => layers.discard(),
    };
  }

  /** A cache that cannot be had is not missed. */
  async #importCaches(): Promise<void> {
    const { request, images, layers } = this.#session;
    for (const reference of request.cacheFrom) {
      try {
        const image = await images.find(reference);
        layers.ofImage(image.id);
        importInlineCache(image, this.builder.images.store, this.builder.cache);
      } catch {
        this.#session.signal.throwIfAborted();
      }
    }
  }

  #makePrivateDirectory(): string {
    if (this.#privateDirectory === undefined) {
      this.#privateDirectory = join(this.builder.privateRoot, randomBytes(8).toString('hex'));
      mkdirSync(this.#privateDirectory, { recursive: true, mode: 0o711 });
    }
    return this.#privateDirectory;
  }

  /** Gives back what only the building needed. */
  async #release(): Promise<void> {
    this.#session.cache.noteUse();
    await this.#session.files.release();
    if (this.#privateDirectory === undefined) return;
    rmSync(this.#privateDirectory, { recursive: true, force: true });
    // As long as other builds have theirs, it is not empty.
    await rmdir(this.builder.privateRoot).catch(() => undefined);
  }

  /** Leaves nothing but what the cache has kept. */
  async discard(): Promise<void> {
    await this.#release();
    await this.#session.layers.discard();
  }
}

/** What RUNs mount of a kind, each once. */
function mountedIds(stages: readonly PlannedStage[], type: 'secret' | 'ssh'): MountedId[] {
  const ids = new Map<string, boolean>();
  for (const instruction of stages.flatMap(({ instructions }) => instructions)) {
    if (instruction.keyword !== 'RUN') continue;
    for (const mount of instruction.mounts.filter((each) => each.type === type)) {
      const id = mount.id || 'default';
      ids.set(id, (ids.get(id) ?? true) && !mount.required);
    }
  }
  return [...ids].map(([id, optional]) => ({ id, optional }));
}

function labelled(state: StageState, labels: Readonly<Record<string, string>>): StageState {
  if (Object.keys(labels).length === 0) return state;
  const text = Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
  const entry = { created: state.created, created_by: `LABEL ${text}`, empty_layer: true };
  const config = { ...state.config, Labels: { ...state.config.Labels, ...labels } };
  return { ...state, config, history: [...state.history, entry] };
}

function epochOf({ SOURCE_DATE_EPOCH: text }: Readonly<Record<string, string>>): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,11}$/.test(text)) throw invalid(`invalid SOURCE_DATE_EPOCH: ${text}: it is a number of seconds`);
  return Number(text);
}
