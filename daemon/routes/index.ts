import type { Engine } from '../engine.js';
import type { Handlers } from '../http/call.js';
import { archiveRoutes } from './archive.js';
import { buildRoutes } from './build.js';
import { buildKitRoutes } from './buildkit.js';
import { containerStreamRoutes } from './container-streams.js';
import { containerRoutes } from './containers.js';
import { execRoutes } from './exec.js';
import { imageRoutes } from './images.js';
import { networkRoutes } from './networks.js';
import { systemSources } from '../system/sources.js';
import { systemRoutes } from './system.js';
import { volumeRoutes } from './volumes.js';

/** Every operation that this engine serves. */
export function handlers(engine: Engine): Handlers {
  const { builder, cacheUsage, containers, images, networks, endpoints, registries, volumes } = engine;
  return {
    ...containerRoutes(containers),
    ...containerStreamRoutes(containers),
    ...archiveRoutes(containers),
    ...execRoutes(containers),
    ...buildRoutes(builder, cacheUsage, images.content),
    ...buildKitRoutes(engine.buildKit),
    ...imageRoutes(images, containers, registries),
    ...networkRoutes(networks, endpoints, containers.registry, (container) => containers.lifecycle.nextExit(container)),
    ...volumeRoutes(volumes),
    ...systemRoutes(systemSources(engine)),
  };
}
