import type { Digest } from './digest.js';

/** What the images need to know of containers. */
export interface ImageUsers {
  containersUsing(imageId: Digest): { id: string; running: boolean }[];
}
