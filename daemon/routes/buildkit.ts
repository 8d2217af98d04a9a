import { invalid } from '../errors.js';
import type { BuildKit } from '../build/buildkit/index.js';
import type { Handlers } from '../http/call.js';

/**
 * The connections of clients of BuildKit.
 * @param buildKit made when the first one comes
 */
export function buildKitRoutes(buildKit: () => Promise<BuildKit>): Handlers {
  return {
    async Session({ headers, hijack }) {
      requireHttp2(headers.upgrade);
      const served = await buildKit();
      served.addSession(headers, () => hijack({ protocol: 'h2c' }));
    },

    async BuildKitCalls({ headers, hijack }) {
      requireHttp2(headers.upgrade);
      const served = await buildKit();
      served.serve(hijack({ protocol: 'h2c' }));
    },
  };
}

function requireHttp2(upgrade: string | undefined): void {
  if (upgrade?.toLowerCase() !== 'h2c') throw invalid('this request must ask for an upgrade of its connection to h2c');
}
