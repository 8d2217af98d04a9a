import { invalid } from '../errors.js';
import type { Root } from '../runtime/addon.js';
import type { BaseImages } from './base-images.js';
import type { BuildContext, ContextTree } from './build-context.js';
import type { BuildRequest } from './build-request.js';
import type { ReportProgress } from './build-progress.js';
import type { BuildLayer, BuildLayers } from './layers.js';
import type { Source } from './plan.js';
import { Vertex } from './progress.js';
import type { StageState } from './stage-state.js';
import { TransferStatus } from './transfer-status.js';

/** A place that files are copied or mounted from. */
export interface FileSource {
  root: Root;
  /** The directories of an image or stage, topmost first; a context has none. */
  lower: readonly string[] | undefined;
  /** Its layers, bottom first. */
  layers: readonly BuildLayer[];
  /** Files of a client have no owner of their own: they become root's. */
  isContext: boolean;
}

interface OpenContext {
  paths: Set<string>;
  opening: Promise<ContextTree>;
}

/** Opens what COPY, ADD and mounts take files from: contexts, stages, images. */
export class SourceFiles {
  readonly #contexts = new Map<BuildContext, OpenContext>();
  readonly #trees: Promise<ContextTree>[] = [];

  constructor(
    readonly request: BuildRequest,
    readonly layers: BuildLayers,
    readonly images: BaseImages,
    /** The outcome of a stage. */
    readonly stage: (index: number) => Promise<StageState>,
    /** What is known to be wanted of the main context, so that it is fetched in one go. */
    readonly expected: readonly string[],
    readonly report: ReportProgress,
    readonly signal: AbortSignal,
  ) {}

  /** @param paths what is going to be read, where the source is a context */
  async open(source: Source | undefined, paths: readonly string[]): Promise<FileSource> {
    if (!source) return this.#context(this.request.context, [...paths, ...this.expected]);
    switch (source.kind) {
      case 'stage':
        return this.#layered((await this.stage(source.index)).layers);
      case 'image':
        return this.#image(source.reference);
      case 'scratch':
        return this.#layered([]);
      case 'context':
        return this.#named(source.name, paths);
    }
  }

  async #named(name: string, paths: readonly string[]): Promise<FileSource> {
    const named = this.request.namedContexts.get(name);
    if (!named) throw invalid(`there is no build context "${name}"`);
    if (named.kind === 'tree') return this.#context(named.context, paths);
    if (named.kind === 'image') return this.#image(named.reference);
    const lower = [...named.result.layerDirectories];
    return { root: { kind: 'overlay', lower, binds: [] }, lower, layers: [], isContext: false };
  }

  async #image(reference: string): Promise<FileSource> {
    const image = await this.images.find(reference);
    return this.#layered(this.layers.ofImage(image.id));
  }

  #layered(layers: StageState['layers']): FileSource {
    const root = this.layers.root(layers);
    return { root, lower: this.layers.directories(layers), layers, isContext: false };
  }

  async #context(context: BuildContext, paths: readonly string[]): Promise<FileSource> {
    const known = this.#contexts.get(context);
    const isCovered = known && (known.paths.has('.') || paths.every((path) => known.paths.has(path)));
    const tree = await (isCovered
      ? known.opening
      : this.#openContext(context, new Set([...(known?.paths ?? []), ...paths])));
    return { root: { kind: 'directory', path: tree.directory }, lower: undefined, layers: [], isContext: true };
  }

  #openContext(context: BuildContext, paths: Set<string>): Promise<ContextTree> {
    const wanted = [...paths].sort();
    const vertex = new Vertex(
      this.report,
      `context ${context.name} ${wanted.join('\0')}`,
      `[internal] load ${context.name}`,
    );
    const status = new TransferStatus(vertex, 'transferring context:');
    const opening = vertex.run(async () => {
      const tree = await context.open({ paths: wanted }, this.signal, status.progress);
      status.end();
      return tree;
    });
    this.#contexts.set(context, { paths, opening });
    this.#trees.push(opening);
    opening.catch(() => undefined);
    return opening;
  }

  async release(): Promise<void> {
    for (const opened of await Promise.allSettled(this.#trees)) {
      if (opened.status === 'fulfilled') await opened.value.release();
    }
  }
}
