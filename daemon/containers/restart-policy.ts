import type { HostConfig } from './container.js';
import type { ContainerState } from './state.js';

const firstDelay = 100;
const longestDelay = 60_000;
/** A run this long proves the container healthy: the next failure starts over with the shortest delay. */
const steadyRun = 10_000;

/** Whether a container that ended is to be started again. */
export function shouldRestart(policy: HostConfig['RestartPolicy'], state: ContainerState): boolean {
  if (state.stoppedByUser) return false;
  switch (policy?.Name) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure': {
      const { MaximumRetryCount: limit = 0 } = policy;
      return state.exitCode !== 0 && (limit === 0 || state.restartCount < limit);
    }
    default:
      return false;
  }
}

/** Whether the daemon's start brings a container up that was not running: as `always` does even after a stop. */
export function shouldStartWithDaemon(policy: HostConfig['RestartPolicy'], state: ContainerState): boolean {
  if (policy?.Name === 'always') return state.startedAt !== '' && state.status !== 'created';
  return state.status !== 'created' && shouldRestart(policy, state);
}

/** Milliseconds to wait: doubling from 100 ms to a minute. */
export class Backoff {
  #delay = 0;

  next(ranForMilliseconds: number): number {
    this.#delay =
      this.#delay === 0 || ranForMilliseconds >= steadyRun ? firstDelay : Math.min(this.#delay * 2, longestDelay);
    return this.#delay;
  }
}
