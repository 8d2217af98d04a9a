/** Takes what a build tells about itself while it runs. Never waits: who is slow must drop or buffer. */
export type ReportProgress = (event: BuildEvent) => void;

export type BuildEvent = VertexEvent | LogEvent | StatusEvent | WarningEvent | StepEvent;

/** One piece of work; told again, as a whole, whenever something about it changes. */
export interface VertexEvent {
  kind: 'vertex';
  /** "sha256:…" of what it is; the same work has the same one in every build. */
  digest: string;
  /** "[builder 2/5] RUN make" */
  name: string;
  /** Digests of what it waits for. */
  inputs: readonly string[];
  started?: Date;
  completed?: Date;
  /** It did not have to run. */
  cached: boolean;
  /** Why it failed. */
  error?: string;
  /** Where it stands in the Dockerfile. */
  lines?: { first: number; last: number };
}

/** What a step writes. */
export interface LogEvent {
  kind: 'log';
  vertex: string;
  stream: 'stdout' | 'stderr';
  data: Uint8Array;
  time: Date;
}

/** How far a part of a vertex is: a layer that is pulled, a file that is fetched. */
export interface StatusEvent {
  kind: 'status';
  vertex: string;
  id: string;
  /** "transferring context:" */
  name: string;
  current: number;
  /** 0 when unknown. */
  total: number;
  started: Date;
  completed?: Date;
}

export interface WarningEvent {
  kind: 'warning';
  vertex: string;
  message: string;
  /** What is to be said of all such warnings, and where more is to be read. */
  detail?: string;
  url?: string;
  /** Of the Dockerfile. */
  lines?: { first: number; last: number };
}

/** What the classic API tells of an instruction, beside its vertex. */
export type StepEvent = StepPhase & {
  kind: 'step';
  vertex: string;
  /** Position of its stage in the Dockerfile. */
  stage: number;
};

export type StepPhase =
  /** The stages that are going to be built. */
  | { phase: 'stages'; order: readonly number[] }
  | { phase: 'stage-end' }
  /** It begins. What ONBUILD of the base image brings has no number. */
  | { phase: 'begin'; number: number | undefined; total: number; text: string }
  | { phase: 'triggers'; count: number }
  | { phase: 'container'; id: string }
  /** The step's outcome, as the id that an image of it would have. */
  | { phase: 'end'; cached: boolean; imageId: () => Promise<string> };
