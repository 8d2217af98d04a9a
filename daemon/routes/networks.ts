import { againAfterEnd } from '../containers/again-after-end.js';
import type { Container } from '../containers/container.js';
import { failedByEndOf } from '../containers/just-ended.js';
import type { ContainerRegistry } from '../containers/registry.js';
import { timestamp } from '../containers/timestamp.js';
import { GantryError, invalid, notFound } from '../errors.js';
import type { Handlers } from '../http/call.js';
import { parseTime } from '../http/time.js';
import type { Endpoints } from '../networks/endpoints.js';
import { inspectNetwork, summarizeNetwork } from '../networks/inspect.js';
import { networkListFilters, networkPasses, networkPruneFilters } from '../networks/list.js';
import type { Network } from '../networks/network.js';
import type { Networks } from '../networks/networks.js';
import { pruneNetworks } from '../networks/prune.js';

/**
 * The Network tag of the API document.
 * @param nextExit resolves when a container has ended
 */
export function networkRoutes(
  networks: Networks,
  endpoints: Endpoints,
  registry: ContainerRegistry,
  nextExit: (container: Container) => Promise<unknown>,
): Handlers {
  const find = (reference: string | undefined): Container => {
    if (!reference) throw invalid('invalid name or ID supplied: ""');
    return registry.get(reference);
  };
  const inScope = (network: Network, scope: string | undefined): Network => {
    if (scope && scope !== 'local') throw notFound(`network ${network.name} not found`);
    return network;
  };

  /** A container that does not run may have a network that is no longer there. */
  const disconnect = async (container: Container, reference: string): Promise<void> => {
    const network = networks.find(reference);
    if (!network && !container.running) endpoints.forget(container, reference);
    else await endpoints.disconnect(container, network ?? networks.get(reference));
  };

  /** Changes the networks of a container, which may end meanwhile. */
  const change = async (container: Container, work: () => Promise<void>): Promise<void> => {
    let pid = 0;
    const locked = (): Promise<void> =>
      container.lock.run(() => {
        pid = container.state.pid;
        return work();
      });
    return againAfterEnd(
      locked,
      (error) => failedByEndOf(pid, error),
      () => (container.state.pid === pid ? nextExit(container) : Promise.resolve()),
    );
  };

  return {
    async NetworkList({ query }) {
      query.filters.allow(...networkListFilters);
      const containers = registry.all();
      const selected = networks.list().filter((network) => networkPasses(network, query.filters, containers));
      // A list has no members; an inspect has.
      return selected.map(summarizeNetwork);
    },

    async NetworkInspect({ params, query }) {
      return inspectNetwork(inScope(networks.get(params.id), query.scope));
    },

    async NetworkCreate({ body }) {
      const { network, warning } = await networks.create(body, timestamp());
      return { Id: network.id, Warning: warning };
    },

    async NetworkDelete({ params }) {
      await networks.remove(networks.get(params.id));
    },

    async NetworkConnect({ params, body }) {
      const network = networks.get(params.id);
      const container = find(body.Container);
      await change(container, () => endpoints.connect(container, network, body.EndpointConfig ?? {}));
    },

    async NetworkDisconnect({ params, body }) {
      try {
        const container = find(body.Container);
        await change(container, () => disconnect(container, params.id));
      } catch (error) {
        const absent = error instanceof GantryError && error.kind === 'not-found';
        throw absent && body.Force ? notFound(`endpoint ${body.Container} not found`) : error;
      }
    },

    async NetworkPrune({ query }) {
      query.filters.allow(...networkPruneFilters);
      const [until, another] = query.filters.get('until');
      if (another !== undefined) throw invalid('more than one until filter specified');
      const limit = until === undefined ? undefined : parseTime(until).milliseconds;
      const removed = await pruneNetworks(networks, registry.all(), query.filters, limit);
      return { NetworksDeleted: removed.length > 0 ? removed : null };
    },
  };
}
