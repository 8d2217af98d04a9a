import { sql as events } from './0001-events.js';
import { sql as images } from './0002-images.js';
import { sql as containers } from './0003-containers.js';
import { sql as networks } from './0004-networks.js';
import { sql as volumes } from './0005-volumes.js';
import { sql as unsyncedContent } from './0006-unsynced-content.js';
import { sql as blobSources } from './0007-blob-sources.js';
import { sql as networkDefinitions } from './0008-network-definitions.js';
import { sql as volumesOfContainers } from './0009-volumes-of-containers.js';
import { sql as buildCache } from './0010-build-cache.js';
import { sql as buildContexts } from './0011-build-contexts.js';
import { sql as buildHistory } from './0012-build-history.js';
import { sql as buildDownloads } from './0013-build-downloads.js';

/** In order; the position is the schema version, kept in SQLite's `user_version`. A released one is never edited. */
export const migrations: readonly string[] = [
  events,
  images,
  containers,
  networks,
  volumes,
  unsyncedContent,
  blobSources,
  networkDefinitions,
  volumesOfContainers,
  buildCache,
  buildContexts,
  buildHistory,
  buildDownloads,
];
