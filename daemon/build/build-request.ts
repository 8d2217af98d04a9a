import type { Duplex } from 'node:stream';
import type { Dockerfile } from '../dockerfile/parse.js';
import type { Credentials } from '../images/registry/credentials.js';
import type { BuildContext, NamedContext } from './build-context.js';
import type { BuildExport } from './build-export.js';

/** Everything that a build is made of, in the same form from both APIs. */
export interface BuildRequest {
  dockerfile: Dockerfile;
  /** What messages call it. */
  dockerfileName: string;
  /** Name or index of the stage to build; the last one when absent. */
  target?: string | undefined;
  buildArgs: Readonly<Record<string, string>>;
  /** Put on the image over those of the Dockerfile. */
  labels: Readonly<Record<string, string>>;
  /** "linux/amd64"; the engine's own when absent. */
  platform?: string | undefined;
  /** What COPY and ADD without --from, and RUN --mount=type=bind, see. */
  context: BuildContext;
  /** By lower-case name: they go before stages and images of that name. */
  namedContexts: ReadonlyMap<string, NamedContext>;
  secrets: Secrets;
  agents: SshAgents;
  /** Who the client is to a registry ("docker.io", "localhost:5000"). */
  credentials: (registry: string, signal: AbortSignal) => Promise<Credentials>;
  /** Uses no step of an earlier build: none of any stage, or none of these stages (names or indexes). */
  noCache: boolean | ReadonlySet<string>;
  /** Asks the registry even for images that are here. */
  pull: boolean;
  /** Images whose steps may be used as a cache. */
  cacheFrom: readonly string[];
  /** Writes into the image what another build needs to use it as a cache (`--cache-to type=inline`). */
  inlineCache: boolean;
  run: RunOptions;
  /** What a RUN may ask for beyond the usual. */
  entitlements: ReadonlySet<Entitlement>;
  /** Seconds since the epoch that stand for every "now" in the image. */
  sourceDateEpoch?: number | undefined;
  /** Makes one layer of everything above the base image. */
  squash: boolean;
  /** In order, after everything is built. With none the build leaves only its cache. */
  exports: readonly BuildExport[];
  /** Steps at the same time at most; the engine's choice when absent. */
  parallelism?: number | undefined;
  /** Stops the running steps, within a second. */
  signal: AbortSignal;
}

export type Entitlement = 'network.host' | 'security.insecure';

/** What holds for every RUN. */
export interface RunOptions {
  /** "default", "none", "host", the name of a network, or "container:NAME". */
  network: string;
  /** "name:address", also "name:host-gateway". */
  extraHosts: readonly string[];
  /** Bytes; the engine's default when 0. */
  shmSize: number;
  ulimits: readonly { Name: string; Soft: number; Hard: number }[];
  /** Parent of the steps' cgroups; the engine's own when "". */
  cgroupParent: string;
  /** Zero, or "", for no limit. */
  memory: number;
  memorySwap: number;
  cpuShares: number;
  cpuPeriod: number;
  cpuQuota: number;
  cpusetCpus: string;
  cpusetMems: string;
  /** "no-new-privileges", "seccomp=…" */
  securityOptions: readonly string[];
}

export const defaultRunOptions: RunOptions = {
  network: 'default',
  extraHosts: [],
  shmSize: 0,
  ulimits: [],
  cgroupParent: '',
  memory: 0,
  memorySwap: 0,
  cpuShares: 0,
  cpuPeriod: 0,
  cpuQuota: 0,
  cpusetCpus: '',
  cpusetMems: '',
  securityOptions: [],
};

/** Secrets stay with the client until a step mounts one. */
export interface Secrets {
  /** Undefined when the client has none of this id. */
  get(id: string, signal: AbortSignal): Promise<Buffer | undefined>;
}

/** Agents of the client that steps reach through a socket. */
export interface SshAgents {
  has(id: string, signal: AbortSignal): Promise<boolean>;
  /** A new connection to the agent; its end, either way, is passed on. */
  connect(id: string): Promise<Duplex>;
}

export const noSecrets: Secrets = { get: () => Promise.resolve(undefined) };
export const noAgents: SshAgents = {
  has: () => Promise.resolve(false),
  connect: () => Promise.reject(new Error('this build has no ssh agent')),
};
