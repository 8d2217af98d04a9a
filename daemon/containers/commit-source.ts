import type { Container } from './container.js';
import type { Containers } from './index.js';
import { preparedPaths } from './prepared-paths.js';

/** A container as something to make an image of. */
export interface OpenedContainer {
  id: string;
  imageId: string;
  config: Container['config'];
  /** Its writable layer. */
  upper: string;
  /** What is no part of it: where something is mounted, and what every container gets. */
  exclude: string[];
  release(): Promise<void>;
  /** Tells that an image was made of it. */
  committed(image: { imageID: string; imageRef: string; comment: string }): void;
}

/**
 * Opens a container for commit and, if it runs and `pause` says so, freezes it until it is released.
 *
 * @throws GantryError not-found
 */
export async function openCommitSource(
  { registry, lifecycle, directories, events }: Containers,
  reference: string,
  { pause }: { pause: boolean },
): Promise<OpenedContainer> {
  const container = registry.get(reference);
  const freeze = pause && container.state.status === 'running';
  if (freeze) await lifecycle.pause(container);
  return {
    id: container.id,
    imageId: container.imageId,
    config: container.config,
    upper: directories.data(container.id, 'upper'),
    exclude: [...preparedPaths, ...container.mounts.map((mount) => mount.destination)],
    async release() {
      if (freeze && container.state.status === 'paused') await lifecycle.unpause(container);
    },
    committed(image) {
      events.publish(container, 'commit', image);
    },
  };
}
