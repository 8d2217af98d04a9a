import type { PublishedPort } from '../networks/published-port.js';

/** The states of the Docker API. `restarting` is a container between two runs of its restart policy. */
export type Status = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

/** What SQLite keeps about a container's life; everything else about it is derived or belongs to the running shim. */
export interface ContainerState {
  status: Status;
  /** Process id of init on the host; 0 when it does not run. */
  pid: number;
  /** Process id of the shim, which holds the network namespace open; 0 when there is none. */
  shimPid: number;
  exitCode: number;
  error: string;
  oomKilled: boolean;
  startedAt: string;
  finishedAt: string;
  restartCount: number;
  /** The user stopped it: `unless-stopped` does not bring it back. */
  stoppedByUser: boolean;
  /** Ports of the host that it holds while it runs. */
  ports?: PublishedPort[];
  /** Its interfaces by network. One that is pending is being made or removed. */
  interfaces?: Record<string, { name: string; pending: boolean }>;
  /** What its health check has found, if it has one. */
  health?: HealthState | undefined;
}

export interface HealthState {
  status: 'starting' | 'healthy' | 'unhealthy';
  failingStreak: number;
  log: { Start: string; End: string; ExitCode: number; Output: string }[];
}

/** Go's zero time, which Docker shows for "never". */
export const zeroTime = '0001-01-01T00:00:00Z';

export function createdState(): ContainerState {
  return {
    status: 'created',
    pid: 0,
    shimPid: 0,
    exitCode: 0,
    error: '',
    oomKilled: false,
    startedAt: zeroTime,
    finishedAt: zeroTime,
    restartCount: 0,
    stoppedByUser: false,
  };
}

export const isRunning = (state: ContainerState): boolean => state.status === 'running' || state.status === 'paused';
/** Runs, or is about to run again. */
export const isActive = (state: ContainerState): boolean => isRunning(state) || state.status === 'restarting';
export const canStart = (state: ContainerState): boolean =>
  state.status === 'created' || state.status === 'exited' || state.status === 'restarting';
export const canPause = (state: ContainerState): boolean => state.status === 'running';
