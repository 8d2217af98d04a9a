import { setTimeout as delay } from 'node:timers/promises';
import { SLOWNESS } from './slowness.js';

/** Repeats a question until its answer holds, and fails with the last one when it never does. */
export async function eventually<T>(
  question: () => T | Promise<T>,
  holds: (answer: T) => boolean,
  withinMs = 15_000 * SLOWNESS,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await question();
    if (holds(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(answer)} after ${withinMs} ms`);
    await delay(20);
  }
}
