import type { HistoryEntry, ImageConfig } from '../images/image-document.js';
import type { Platform } from '../images/platform.js';
import type { BuildLayer } from './layers.js';

/** A step as the cache knows it. */
export interface StepRecord {
  key: string;
  parentKey: string;
  createdBy: string;
  created: string;
  /** Position of its layer from the bottom; -1 for none. */
  layer: number;
}

/** How far a stage is. Never changed in place: others build on the same state. */
export interface StageState {
  platform: Platform;
  config: ImageConfig;
  author: string | undefined;
  history: readonly HistoryEntry[];
  /** Bottom first. */
  layers: readonly BuildLayer[];
  /** How many of them, and of the entries of the history, the base brought. */
  base: { layers: number; history: number };
  /** When the topmost layer was made, RFC 3339: what changes only the configuration is as old. */
  created: string;
  /** Every step so far, as another engine can use it. */
  steps: readonly StepRecord[];
  /** Variables of ARG, in the order of their declaration. */
  arguments: ReadonlyMap<string, string>;
  /** What identifies everything so far to the cache. */
  key: string;
  /** CMD was set in this Dockerfile, so that an ENTRYPOINT leaves it. */
  hasCommand: boolean;
}
