import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Addon } from './addon.js';

// This module runs from build/daemon/runtime; CMake leaves its results in build/addon.
const nativeDirectory = new URL('../../addon/', import.meta.url);

/** The native addon, the only way from the daemon into the kernel. */
export const addon = createRequire(import.meta.url)(fileURLToPath(new URL('gantry.node', nativeDirectory))) as Addon;

/** The supervisor executable, for `addon.loadShim`. */
export const shimPath = fileURLToPath(new URL('gantry-shim', nativeDirectory));

export type * from './addon.js';
