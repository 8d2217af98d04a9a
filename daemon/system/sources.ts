import type { Engine } from '../engine.js';
import { summarize } from '../containers/list.js';
import { Filters } from '../http/filters.js';
import type { ApiVersion } from '../http/version.js';
import { summarizeImage } from '../images/inspect.js';
import { listImages } from '../images/list.js';
import type { SystemSources } from '../routes/system.js';
import { describeVolume } from '../volumes/describe.js';
import type { Usage } from './disk-usage.js';
import type { InfoCounts } from './info.js';

/** What the System tag shows, gathered from the nouns. */
export function systemSources(engine: Engine): SystemSources {
  return {
    config: engine.config,
    addon: engine.containers.addon,
    events: engine.events,
    counts: () => ({ containers: countContainers(engine), images: engine.images.count() }),
    usage: {
      image: async (version) => imageUsage(engine, version),
      container: () => containerUsage(engine),
      volume: () => volumeUsage(engine),
      'build-cache': () => buildCacheUsage(engine),
    },
  };
}

function countContainers({ containers }: Engine): InfoCounts['containers'] {
  const counts = { running: 0, paused: 0, stopped: 0 };
  for (const { state } of containers.registry.all()) {
    if (state.status === 'running' || state.status === 'restarting') counts.running++;
    else if (state.status === 'paused') counts.paused++;
    else counts.stopped++;
  }
  return counts;
}

/** Layers count once, however many images share them. */
function imageUsage({ images }: Engine, version: ApiVersion): Usage {
  const options = { all: true, sharedSize: true, filters: new Filters() };
  const listed = listImages(images.store, images.lookup, images.removal.users, options);
  const inUse = new Set(listed.filter(({ containers }) => containers > 0).map(({ image }) => image.id));
  const layers = new Map<string, { size: number; used: boolean }>();
  for (const { chain_id, image_id, size } of images.store.layerUse()) {
    layers.set(chain_id, { size, used: layers.get(chain_id)?.used === true || inUse.has(image_id) });
  }
  const unused = [...layers.values()].filter(({ used }) => !used);
  return {
    // Counted here in every version, unlike in the list of images.
    items: listed.map((image) => ({ ...summarizeImage(image, version), Containers: image.containers })),
    totalSize: sum([...layers.values()].map(({ size }) => size)),
    reclaimable: sum(unused.map(({ size }) => size)),
    active: inUse.size,
  };
}

async function containerUsage({ containers }: Engine): Promise<Usage> {
  const { addon, registry, directories } = containers;
  const measured = await Promise.all(
    registry.all().map(async (container) => {
      const size = await addon.diskUsage(directories.data(container.id, 'upper'));
      const name = containers.imageName(container.imageId, container.config.Image ?? '');
      const item = {
        ...summarize(container, name),
        SizeRw: size,
        SizeRootFs: size + containers.imageSize(container.imageId),
      };
      return { item, size, running: container.running };
    }),
  );
  return {
    items: measured.map(({ item }) => item),
    totalSize: sum(measured.map(({ size }) => size)),
    reclaimable: sum(measured.filter(({ running }) => !running).map(({ size }) => size)),
    active: measured.filter(({ running }) => running).length,
  };
}

/** What a volume has elsewhere (-1) adds nothing to the sums. */
async function volumeUsage({ volumes }: Engine): Promise<Usage> {
  const measured = await Promise.all(
    volumes.list().map(async (record) => {
      const size = await volumes.size(record.name);
      const users = volumes.users.usersOf(record.name).length;
      const item = { ...describeVolume(volumes, record), UsageData: { Size: size, RefCount: users } };
      return { item, size: Math.max(size, 0), users };
    }),
  );
  return {
    items: measured.map(({ item }) => item),
    totalSize: sum(measured.map(({ size }) => size)),
    reclaimable: sum(measured.filter(({ users }) => users === 0).map(({ size }) => size)),
    active: measured.filter(({ users }) => users > 0).length,
  };
}

/** Layers that images have as well are theirs. */
async function buildCacheUsage({ cacheUsage }: Engine): Promise<Usage> {
  const records = await cacheUsage.list();
  const own = records.filter(({ shared }) => !shared);
  return {
    items: records.map((record) => ({
      ID: record.id,
      Parents: record.parents.length > 0 ? record.parents : null,
      Type: record.type,
      Description: record.description,
      InUse: record.inUse,
      Shared: record.shared,
      Size: record.size,
      CreatedAt: new Date(record.created).toISOString(),
      LastUsedAt: new Date(record.lastUsed).toISOString(),
      UsageCount: record.uses,
    })),
    totalSize: sum(own.map(({ size }) => size)),
    reclaimable: sum(own.filter(({ inUse }) => !inUse).map(({ size }) => size)),
    active: records.filter(({ inUse }) => inUse).length,
  };
}

function sum(sizes: number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}
