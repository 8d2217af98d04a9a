import type { Addon } from '../runtime/addon.js';
import type { Slots } from '../slots.js';
import type { IdMapping } from '../userns/id-mapping.js';
import type { BaseImages } from './base-images.js';
import type { BuildRequest } from './build-request.js';
import type { ReportProgress } from './build-progress.js';
import type { StepCache } from './cache.js';
import type { CacheMounts } from './cache-mounts.js';
import type { LayerFacts } from './layer-facts.js';
import type { BuildLayers } from './layers.js';
import type { RemoteFiles } from './remote-files.js';
import type { SourceFiles } from './source-files.js';
import type { StepContainers } from './step-containers.js';
import type { BuildArguments } from './variables.js';

/** What all stages of one build share. */
export interface BuildSession {
  request: BuildRequest;
  /** What backslash or backtick the Dockerfile escapes with. */
  escape: string;
  addon: Addon;
  mapping: IdMapping;
  layers: BuildLayers;
  /** What earlier builds have read out of layers. */
  facts: LayerFacts;
  cache: StepCache;
  cacheMounts: CacheMounts;
  images: BaseImages;
  files: SourceFiles;
  remote: RemoteFiles;
  containers: StepContainers;
  arguments: BuildArguments;
  /** A directory in memory, for secrets and sockets; made at the first use. */
  privateDirectory: () => string;
  /** Bounds the steps that go on at the same time. */
  steps: Slots;
  report: ReportProgress;
  /** Ends every step: the client has left, or a step of another stage has failed. */
  signal: AbortSignal;
}
