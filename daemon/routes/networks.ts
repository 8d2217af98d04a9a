import type { ContainerRegistry } from '../containers/registry.js';
import { forbidden, unsupported } from '../errors.js';
import type { Handlers } from '../http/call.js';
import type { Filters } from '../http/filters.js';
import { inspectNetwork } from '../networks/inspect.js';
import type { Networks } from '../networks/networks.js';
import type { NetworkRecord } from '../store/networks.js';

const listFilters = ['driver', 'id', 'label', 'name', 'scope', 'type', 'dangling'] as const;

/** The Network tag of the API document. Networks of the user's own are refused by name: only the predefined ones exist. */
export function networkRoutes(networks: Networks, registry: ContainerRegistry): Handlers {
  const members = (network: NetworkRecord): ReturnType<ContainerRegistry['all']> =>
    registry.all().filter((container) => container.running && network.name in container.networks);
  const inspect = (network: NetworkRecord): object => inspectNetwork(network, members(network), networks.options);

  return {
    async NetworkList({ query }) {
      query.filters.allow(...listFilters);
      const selected = networks.list().filter((network) => matches(network, query.filters));
      // A list has no members; an inspect has.
      return selected.map((network) => ({ ...inspectNetwork(network, [], networks.options) }));
    },

    async NetworkInspect({ params }) {
      return inspect(networks.get(params.id));
    },

    async NetworkCreate({ body }) {
      throw unsupported(
        `network "${body.Name}" cannot be created: Gantry has only the networks bridge, host and none yet`,
      );
    },

    async NetworkDelete({ params }) {
      const { name, id } = networks.get(params.id);
      throw forbidden(`${name} is a pre-defined network and cannot be removed (${id.slice(0, 12)})`);
    },

    async NetworkConnect({ params }) {
      networks.get(params.id);
      throw unsupported('connecting a container to a further network is not supported yet: choose one with --network');
    },

    async NetworkDisconnect({ params }) {
      networks.get(params.id);
      throw unsupported('disconnecting a container is not supported yet: choose its network with --network');
    },

    async NetworkPrune({ query }) {
      query.filters.allow('label', 'label!', 'until');
      return { NetworksDeleted: [] };
    },
  };
}

function matches(network: NetworkRecord, filters: Filters): boolean {
  return (
    filters.exact('driver', network.driver) &&
    filters.prefix('id', network.id) &&
    filters.labels({}) &&
    filters.pattern('name', network.name) &&
    filters.exact('scope', 'local') &&
    filters.exact('type', 'builtin') &&
    // The predefined ones are never dangling.
    !filters.boolean('dangling', false)
  );
}
