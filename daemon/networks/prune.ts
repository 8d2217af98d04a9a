import type { Container } from '../containers/container.js';
import type { Filters } from '../http/filters.js';
import { isUsed } from './list.js';
import type { Networks } from './networks.js';

/**
 * Removes the networks of the user's own that no container has, running or not.
 * @param until milliseconds since 1970: only what was made before
 * @returns their names
 */
export async function pruneNetworks(
  networks: Networks,
  containers: Container[],
  filters: Filters,
  until: number | undefined,
): Promise<string[]> {
  const unused = networks
    .list()
    .filter(({ userDefined, closing, record }) => userDefined && !closing && !record.definition.configOnly)
    .filter((network) => !isUsed(network, containers))
    .filter(({ record }) => filters.labels(record.definition.labels))
    .filter(({ record }) => until === undefined || Date.parse(record.created) < until);
  const removed: string[] = [];
  for (const network of unused) {
    try {
      await networks.remove(network);
      removed.push(network.name);
    } catch (error) {
      networks.logger.warn({ error, network: network.name }, 'could not remove an unused network');
    }
  }
  networks.events.pruned();
  return removed;
}
