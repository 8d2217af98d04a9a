import type { Addon } from '../runtime/addon.js';
import type { Attachments } from './attach.js';
import type { Creation } from './create.js';
import type { ContainerDirectories } from './directories.js';
import type { ContainerEvents } from './events.js';
import type { Execs } from './exec.js';
import type { Launcher } from './launch.js';
import type { Lifecycle } from './lifecycle.js';
import type { Links } from './links.js';
import type { ListContext } from './list.js';
import type { Logs } from './logs.js';
import type { ContainerRegistry } from './registry.js';
import type { Removal } from './removal.js';
import type { Statistics } from './stats.js';
import type { Updates } from './update.js';

/** What the routes need of containers: each part has one subject. */
export interface Containers {
  addon: Addon;
  registry: ContainerRegistry;
  directories: ContainerDirectories;
  events: ContainerEvents;
  creation: Creation;
  launcher: Launcher;
  lifecycle: Lifecycle;
  removal: Removal;
  updates: Updates;
  attachments: Attachments;
  execs: Execs;
  logs: Logs;
  statistics: Statistics;
  listContext: ListContext;
  links: Links;
  /** The directories below a container's writable layer, topmost first. */
  layerDirectories: (imageId: string) => string[];
  /** Those that an image brings. */
  imageLayers: (imageId: string) => string[];
  /** What `docker ps` shows as the image: the name it was created from, or the id when that now names another image. */
  imageName(imageId: string, requested: string): string;
  /** Bytes of an image, all its layers together. */
  imageSize(imageId: string): number;
}
