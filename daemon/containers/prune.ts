import { GantryError } from '../errors.js';
import type { Container } from './container.js';
import type { Filters } from '../http/filters.js';
import type { Removal } from './removal.js';

export const pruneFilterNames = ['label', 'label!', 'until'];

/** Removes stopped containers that the filters select. */
export async function pruneContainers(
  containers: Container[],
  filters: Filters,
  until: number | undefined,
  removal: Removal,
  sizeOf: (container: Container) => Promise<number>,
): Promise<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }> {
  const deleted: string[] = [];
  let reclaimed = 0;
  for (const container of containers) {
    const { status } = container.state;
    if (status !== 'exited' && status !== 'created' && status !== 'dead') continue;
    if (until !== undefined && Date.parse(container.created) > until) continue;
    if (!filters.labels(container.config.Labels)) continue;
    const size = await sizeOf(container);
    try {
      await removal.remove(container);
    } catch (error) {
      // Started, or removed by somebody else, since it was looked at.
      if (error instanceof GantryError && error.kind === 'conflict') continue;
      throw error;
    }
    deleted.push(container.id);
    reclaimed += size;
  }
  removal.events.pruned(reclaimed);
  return { ContainersDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: reclaimed };
}
