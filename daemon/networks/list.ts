import type { Container } from '../containers/container.js';
import { internal, invalid } from '../errors.js';
import type { Filters } from '../http/filters.js';
import type { Network } from './network.js';

export const networkListFilters = ['driver', 'id', 'label', 'name', 'scope', 'type', 'dangling'] as const;
export const networkPruneFilters = ['label', 'label!', 'until'] as const;

/** Whether a network passes the filters of GET /networks. @param containers all of them, running or not */
export function networkPasses(network: Network, filters: Filters, containers: Container[]): boolean {
  const { record } = network;
  return (
    filters.exact('driver', record.driver) &&
    filters.prefix('id', record.id) &&
    filters.labels(record.definition.labels) &&
    filters.pattern('name', record.name) &&
    filters.exact('scope', 'local') &&
    passesType(network, filters) &&
    passesDangling(network, filters, containers)
  );
}

function passesType({ predefined }: Network, filters: Filters): boolean {
  for (const type of filters.get('type')) {
    if (type !== 'custom' && type !== 'builtin') throw internal(`invalid filter: 'type'='${type}'`);
  }
  return filters.exact('type', predefined ? 'builtin' : 'custom');
}

/** Dangling is one of the user's own that nobody is on. */
function passesDangling(network: Network, filters: Filters, containers: Container[]): boolean {
  if (!filters.has('dangling')) return true;
  const value = filters.get('dangling').at(-1) ?? '';
  if (!['true', '1', 'false', '0'].includes(value)) {
    throw invalid(`invalid value for filter 'dangling', must be "true" (or "1"), or "false" (or "0")`);
  }
  const wanted = ['true', '1'].includes(value);
  return wanted === (network.userDefined && !isUsed(network, containers));
}

/** Whether a container has the network, which may be one that does not run. */
export function isUsed(network: Network, containers: Container[]): boolean {
  return network.members.size > 0 || containers.some(({ networks }) => network.name in networks);
}
