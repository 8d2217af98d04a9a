import type { Addon, ByteCounter } from '../runtime/addon.js';

/** Told several times a second how many bytes, compressed as they are, have been consumed. */
export type OnConsumed = (bytes: number) => void;

/** Between two looks: more often than this nobody can see. */
const interval = 100;

/** Runs native work that consumes a stream, and tells how far it has come. */
export async function watchConsumption<Result>(
  addon: Addon,
  onConsumed: OnConsumed | undefined,
  work: (options: { consumed?: ByteCounter }) => Promise<Result>,
): Promise<Result> {
  if (!onConsumed) return work({});
  const consumed = addon.newByteCounter();
  const timer = setInterval(() => onConsumed(addon.countedBytes(consumed)), interval);
  return work({ consumed }).finally(() => clearInterval(timer));
}
