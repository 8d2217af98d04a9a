import { once } from 'node:events';
import { eventFilterNames, eventPasses } from '../events/event-filter.js';
import { eventMessage } from '../events/event-message.js';
import type { Events } from '../events/events.js';
import { invalid } from '../errors.js';
import type { Handlers } from '../http/call.js';
import { parseTime } from '../http/time.js';

/** GET /events. */
export function eventRoutes(events: Events): Handlers {
  return {
    async SystemEvents({ query, version, signal, stream }) {
      const filters = query.filters.allow(...eventFilterNames);
      const since = query.since === undefined ? undefined : parseTime(query.since).nanoseconds;
      const until = query.until === undefined ? undefined : parseTime(query.until).nanoseconds;
      if (since !== undefined && until !== undefined && since > until) {
        throw invalid(`\`since\` time (${query.since}) cannot be after \`until\` time (${query.until})`);
      }
      const output = stream('application/json');
      for await (const event of events.watch({ since, until }, signal)) {
        if (!eventPasses(filters, event)) continue;
        if (!output.write(eventMessage(event, version))) await once(output, 'drain', { signal }).catch(() => undefined);
      }
      output.end();
    },
  };
}
