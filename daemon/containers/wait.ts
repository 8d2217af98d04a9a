import { invalid } from '../errors.js';
import type { Container, ExitStatus } from './container.js';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** @throws GantryError invalid */
export function parseWaitCondition(text: string | undefined): WaitCondition {
  const condition = text || 'not-running';
  if (condition === 'not-running' || condition === 'next-exit' || condition === 'removed') return condition;
  throw invalid(`invalid condition: "${text}"`);
}

/** Resolves with the exit status once the condition holds; never when the signal aborts first. */
export function waitForContainer(
  container: Container,
  condition: WaitCondition,
  signal: AbortSignal,
): Promise<ExitStatus> {
  const active = container.running || container.state.status === 'restarting';
  if (condition === 'not-running' && !active) return Promise.resolve(lastExit(container));
  const waiters = condition === 'removed' ? container.removalWaiters : container.exitWaiters;
  return new Promise((resolve) => {
    waiters.add(resolve);
    signal.addEventListener('abort', () => waiters.delete(resolve), { once: true });
  });
}

const lastExit = ({ state }: Container): ExitStatus => ({
  exitCode: state.exitCode,
  ...(state.error && { error: state.error }),
});
