import type { Config } from '../config/options.js';
import type { Events } from '../events/events.js';
import type { Handlers } from '../http/call.js';
import type { Addon } from '../runtime/addon.js';
import { diskUsage, requestedKinds, type UsageSources } from '../system/disk-usage.js';
import { infoForVersion } from '../system/info-versions.js';
import { describeEngine, type InfoCounts } from '../system/info.js';
import { describeVersion } from '../system/version.js';
import { eventRoutes } from './events.js';

/** What the System tag needs of the nouns. */
export interface SystemSources {
  config: Config;
  addon: Pick<Addon, 'hostInfo'>;
  events: Events;
  counts: () => Omit<InfoCounts, 'eventListeners'>;
  usage: UsageSources;
}

/** Read by clients before anything else: `Builder-Version` 2 makes the docker CLI build with buildx. */
const PING_HEADERS = {
  'Builder-Version': '2',
  Swarm: 'inactive',
  'Cache-Control': 'no-cache, no-store, must-revalidate',
  Pragma: 'no-cache',
  'Content-Type': 'text/plain; charset=utf-8',
};

/** The System tag of the API document. */
export function systemRoutes({ config, addon, events, counts, usage }: SystemSources): Handlers {
  return {
    ...eventRoutes(events),

    SystemPing({ reply }) {
      reply.headers(PING_HEADERS);
      return 'OK';
    },

    SystemPingHead({ reply }) {
      reply.headers({ ...PING_HEADERS, 'Content-Length': 0 });
    },

    SystemVersion: () => describeVersion(),

    SystemInfo({ version }) {
      const info = describeEngine(config, addon.hostInfo(), { ...counts(), eventListeners: events.listeners });
      return infoForVersion(info, version);
    },

    SystemDataUsage: ({ query, version }) => diskUsage(usage, requestedKinds(query.type), version, query.verbose),
  };
}
