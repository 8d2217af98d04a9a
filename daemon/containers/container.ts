import type { Schemas } from '../api.js';
import { conflict, type GantryError } from '../errors.js';
import type { ShimClient } from '../runtime/shim-client.js';
import type { ContainerState, HealthState } from './state.js';
import { Mutex } from './mutex.js';

export type ContainerConfig = Schemas['ContainerConfig'];
export type HostConfig = Schemas['HostConfig'];
/** Besides what the API has: the MAC address that was asked for, which outlives the one that is assigned. */
export type EndpointSettings = Schemas['EndpointSettings'] & { DesiredMacAddress?: string };

/** One mount of a container, resolved at creation: what `Mounts` of an inspect shows, and how to make it. */
export interface ContainerMount {
  type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** Of a volume, or of an image as it was asked for. */
  name: string;
  /** The volume was made for this mount, and may go with the container. */
  anonymous?: boolean;
  /** A path on the host; for an image its id. */
  source: string;
  /** Volume: what it shows lies elsewhere, on a device or in a directory that its options name. */
  device?: boolean;
  /** Image: a directory for what is written, with a work directory beside it; read-only without. */
  upper?: { directory: string; work: string };
  /** What of the source is mounted; resolved inside of it. */
  subpath?: string;
  destination: string;
  /** The options as the user wrote them ("ro,z"). */
  mode: string;
  readWrite: boolean;
  propagation: string;
  /** Bind: without the mounts below the source. */
  nonRecursive: boolean;
  /** Also the mounts below the source are read-only. */
  recursiveReadOnly: boolean;
  /** Bind through the Mounts API: the source must exist; -v creates it as a directory. */
  createSource: boolean;
  /** Volume: still to be filled from the image if it is empty. */
  copyUp: boolean;
  /** Volume: that had begun, where others see it; a daemon that was killed may have left a part. */
  copyUpBegun?: boolean;
  /** tmpfs: mount data, "size=64m,mode=1777". */
  data: string;
}

/** Whether what is mounted lies below the data root, where files are owned as the daemon's id mapping says. */
export const isBelowDataRoot = ({ type, device = false }: ContainerMount): boolean =>
  (type === 'volume' && !device) || type === 'image';

/** What is stored about a container, apart from its state. */
export interface ContainerRecord {
  id: string;
  name: string;
  created: string;
  /** Id of the image it was made from; "" for an empty root. */
  imageId: string;
  config: ContainerConfig;
  hostConfig: HostConfig;
  /** By network name: what was asked for, and what was assigned while it runs. */
  networks: Record<string, EndpointSettings>;
  mounts: ContainerMount[];
  path: string;
  args: string[];
}

/** A container in memory. Its record and state are rows in SQLite; the rest ends with the daemon. */
export class Container implements ContainerRecord {
  readonly id: string;
  name: string;
  readonly created: string;
  readonly imageId: string;
  config: ContainerConfig;
  hostConfig: HostConfig;
  networks: Record<string, EndpointSettings>;
  readonly mounts: ContainerMount[];
  readonly path: string;
  readonly args: string[];
  state: ContainerState;

  /** Held while the container changes state or its files are read in place. */
  readonly lock = new Mutex();
  /** The control connection to the shim while there is one. */
  shim: ShimClient | undefined;
  /** Resolves when the shim of the newest run has ended. */
  previousShim: Promise<void> | undefined;
  /** Resolves what waits for the next exit, or for removal. */
  readonly exitWaiters = new Set<(exit: ExitStatus) => void>();
  readonly removalWaiters = new Set<(exit: ExitStatus) => void>();
  /** Streams attached before the start: how to connect each once init waits for its execve, and how to end it instead. */
  readonly pendingAttachments = new Map<() => Promise<void>, () => void>();
  readonly execIds = new Set<string>();

  constructor(record: ContainerRecord, state: ContainerState) {
    this.id = record.id;
    this.name = record.name;
    this.created = record.created;
    this.imageId = record.imageId;
    this.config = record.config;
    this.hostConfig = record.hostConfig;
    this.networks = record.networks;
    this.mounts = record.mounts;
    this.path = record.path;
    this.args = record.args;
    this.state = state;
  }

  get health(): HealthState | undefined {
    return this.state.health;
  }

  set health(health: HealthState | undefined) {
    this.state.health = health;
  }

  get running(): boolean {
    return this.state.status === 'running' || this.state.status === 'paused';
  }

  /** `--userns=host`: its ids are the host's, whatever those of other containers are. */
  get hasHostIds(): boolean {
    return this.hostConfig.UsernsMode === 'host';
  }
}

/** @returns the refusal of what needs a running process, between two runs of a restart policy */
export const restarting = ({ id }: Container): GantryError =>
  conflict(`Container ${id} is restarting, wait until the container is running`);

export interface ExitStatus {
  exitCode: number;
  error?: string;
}
