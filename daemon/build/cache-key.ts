import { hash } from 'node:crypto';
import type { StageState } from './stage-state.js';

/** Changes with the meaning of keys, so that those of another version match nothing. */
const version = 1;

/**
 * What a step is to the cache: what it stands on, what it does, and the content that it takes in. Times are no part of it,
 * and neither are secrets.
 */
export function stepKey(parent: string, what: object): string {
  return hash('sha256', JSON.stringify([version, parent, what]));
}

/** The key of a base: its layers. Its configuration counts where a step depends on it. */
export function baseKey(chainId: string, { platform }: Pick<StageState, 'platform'>): string {
  return stepKey('', { base: chainId, os: platform.os, architecture: platform.architecture });
}
