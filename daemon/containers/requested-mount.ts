import type { ContainerMount } from './container.js';

/** A mount as asked for: volumes are not made yet, an anonymous one has an empty name; of an image only the name is known. */
export interface RequestedMount extends ContainerMount {
  /** How to make the volume if it does not exist. */
  volume?: {
    driver?: string | undefined;
    labels?: Record<string, string> | null | undefined;
    options?: Record<string, string> | null | undefined;
  };
}

export const blankMount = {
  name: '',
  source: '',
  mode: '',
  readWrite: true,
  propagation: '',
  nonRecursive: false,
  recursiveReadOnly: false,
  createSource: false,
  copyUp: false,
  data: '',
} as const;
