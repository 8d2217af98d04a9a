import type { Outline, Target } from '../dockerfile/outline.js';
import type { Digest } from '../images/digest.js';
import type { ImageDocument } from '../images/image-document.js';
import type { CheckResult } from './build-checks.js';
import type { Material } from './material.js';

/** What a build made. It keeps its layers from being removed until it is released. */
export interface BuildResult {
  /** The image's id: the digest of its configuration. */
  id: Digest;
  /** The configuration's own bytes. */
  config: Buffer;
  document: ImageDocument;
  manifest: Buffer;
  manifestDigest: Digest;
  /** Unpacked layers on the disk, topmost first. */
  layerDirectories: readonly string[];
  /** Names that the image was given, in their familiar form. */
  names: readonly string[];
  /** "linux/amd64" */
  platform: string;
  /** What from elsewhere has gone into it. */
  materials: readonly Material[];
  /** What steps could have of the client. */
  secrets: readonly MountedId[];
  agents: readonly MountedId[];
  release(): Promise<void>;
}

/** A secret or an agent that a RUN mounts. */
export interface MountedId {
  id: string;
  optional: boolean;
}

/** What a Dockerfile says, and what is wrong with it. */
export interface Inspection {
  checks: CheckResult;
  /** A mistake that would fail the build. */
  failure: unknown;
  targets: Target[];
  outline: Outline;
}

/** What runs builds. `daemon/build/builder.ts` is the one there is. */
export interface Build {
  /** What there is to say of a Dockerfile, without building it. Images that are not here are not asked for. */
  inspect(request: import('./build-request.js').BuildRequest): Promise<Inspection>;

  /** @throws GantryError; DockerfileError or BuildError with the line at fault */
  build(
    request: import('./build-request.js').BuildRequest,
    report: import('./build-progress.js').ReportProgress,
  ): Promise<BuildResult>;
}
