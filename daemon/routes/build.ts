import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { classicBuild, failureMessage, type ClassicMessage } from '../build/classic/classic-build.js';
import { cacheFilterNames, selection, type CacheUsage } from '../build/cache-usage.js';
import type { Build } from '../build/build-result.js';
import type { Handlers } from '../http/call.js';
import type { Content } from '../images/content.js';

/** The Build part of the API document, but for BuildKit's. */
export function buildRoutes(builder: Build, usage: CacheUsage, content: Content): Handlers {
  return {
    async ImageBuild({ query, headers, body, stream, signal }) {
      let output: Writable | undefined;
      const send = async (message: ClassicMessage): Promise<void> => {
        signal.throwIfAborted();
        output ??= stream('application/json');
        // A slow client holds its own output back.
        if (!output.write(`${JSON.stringify(message)}\r\n`)) await once(output, 'drain', { signal });
      };
      try {
        await classicBuild(builder, content, { query, headers, body, signal }, send);
      } catch (error) {
        if (!output) throw error;
        // A stream that ends well would be a build that has succeeded.
        if (signal.aborted) return void output.destroy();
        await send(failureMessage(error));
      }
      (output ?? stream('application/json')).end();
    },

    async BuildPrune({ query }) {
      query.filters.allow(...cacheFilterNames);
      const removed = await usage.prune({
        ...selection(query.filters),
        all: query.all ?? false,
        keepBytes: query['reserved-space'] ?? query['keep-storage'] ?? 0,
        maxBytes: query['max-used-space'] ?? 0,
        freeBytes: query['min-free-space'] ?? 0,
      });
      const freed = removed.filter(({ shared }) => !shared).reduce((sum, { size }) => sum + size, 0);
      return { CachesDeleted: removed.length > 0 ? removed.map(({ id }) => id) : null, SpaceReclaimed: freed };
    },
  };
}
