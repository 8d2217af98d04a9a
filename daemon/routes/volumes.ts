import { GantryError } from '../errors.js';
import type { Handlers } from '../http/call.js';
import type { VolumeRecord } from '../store/volumes.js';
import { describeVolume } from '../volumes/describe.js';
import type { Volumes } from '../volumes/volumes.js';

/** The Volume tag of the API document. */
export function volumeRoutes(volumes: Volumes): Handlers {
  const show = (record: VolumeRecord): Record<string, unknown> => describeVolume(volumes, record);

  return {
    async VolumeList({ query: { filters } }) {
      filters.allow('dangling', 'driver', 'label', 'name');
      const used = (name: string): boolean => volumes.users.usersOf(name).length > 0;
      const selected = volumes
        .list()
        .filter(
          ({ name, labels }) =>
            filters.pattern('name', name) &&
            filters.exact('driver', 'local') &&
            filters.labels(labels) &&
            (!filters.has('dangling') || filters.boolean('dangling', false) !== used(name)),
        );
      return { Volumes: selected.map(show), Warnings: null };
    },

    async VolumeCreate({ body }) {
      if (body.ClusterVolumeSpec) throw noSwarm();
      return show(
        volumes.create({ name: body.Name ?? '', driver: body.Driver, labels: body.Labels, options: body.DriverOpts }),
      );
    },

    async VolumeInspect({ params }) {
      return show(volumes.get(params.name));
    },

    async VolumeUpdate() {
      throw new GantryError('unavailable', 'volume update only valid for cluster volumes, but swarm is unavailable');
    },

    async VolumeDelete({ params, query }) {
      await volumes.remove(params.name, query.force);
    },

    async VolumePrune({ query: { filters }, version }) {
      filters.allow('all', 'label', 'label!');
      return volumes.prune(filters, !version.atLeast('1.42'));
    },
  };
}

const noSwarm = (): Error =>
  new GantryError(
    'unavailable',
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
