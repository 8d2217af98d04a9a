import type { Containers } from '../containers/index.js';
import type { Container } from '../containers/container.js';
import { inspectContainer } from '../containers/inspect.js';
import { listContainers, listFilterNames, summarize } from '../containers/list.js';
import { hostConfigOfVersion, isReadOnlyRecursive } from '../containers/mount-versions.js';
import { pruneContainers, pruneFilterNames } from '../containers/prune.js';
import { listProcesses } from '../containers/top.js';
import { parseWaitCondition, waitForContainer } from '../containers/wait.js';
import type { Handlers } from '../http/call.js';
import { parseTime } from '../http/time.js';

/** The Container tag of the API document, but for streams and archives. */
export function containerRoutes(containers: Containers): Handlers {
  const { addon, registry, lifecycle, launcher } = containers;
  const find = (id: string): Container => registry.get(id);
  const inspection = {
    directories: containers.directories,
    layerDirectories: containers.layerDirectories,
    links: containers.links,
  };
  const writableSize = (container: Container): Promise<number> =>
    addon.diskUsage(containers.directories.data(container.id, 'upper'));

  const sizes = async (container: Container): Promise<{ SizeRw: number; SizeRootFs: number }> => {
    const own = await writableSize(container);
    return { SizeRw: own, SizeRootFs: own + containers.imageSize(container.imageId) };
  };

  return {
    async ContainerList({ query }) {
      query.filters.allow(...listFilterNames);
      const selected = listContainers(
        registry.all(),
        { all: query.all, limit: query.limit ?? 0, filters: query.filters },
        containers.listContext,
      );
      const furtherNames = containers.links.furtherNames();
      const imageName = ({ imageId, config }: Container): string => containers.imageName(imageId, config.Image ?? '');
      return Promise.all(
        selected.map(async (container) => ({
          ...summarize(container, imageName(container), furtherNames.get(container.id)),
          ...(query.size && listedSizes(await sizes(container))),
        })),
      );
    },

    async ContainerCreate({ query, body, version }) {
      const { HostConfig, NetworkingConfig, ...config } = body;
      const { container, warnings } = await containers.creation.create({
        name: query.name,
        platform: query.platform,
        config,
        hostConfig: hostConfigOfVersion(HostConfig ?? {}, version),
        recursiveReadOnly: isReadOnlyRecursive(version),
        endpointMacAddresses: version.atLeast('1.44'),
        endpoints: NetworkingConfig?.EndpointsConfig ?? {},
      });
      return { Id: container.id, Warnings: warnings };
    },

    async ContainerInspect({ params, query, version }) {
      const container = find(params.id);
      return { ...inspectContainer(container, inspection, version), ...(query.size && (await sizes(container))) };
    },

    async ContainerStart({ params }) {
      await lifecycle.start(find(params.id));
    },

    async ContainerStop({ params, query }) {
      await lifecycle.stop(find(params.id), query.t, query.signal);
    },

    async ContainerRestart({ params, query }) {
      await lifecycle.restart(find(params.id), query.t, query.signal);
    },

    async ContainerKill({ params, query }) {
      await lifecycle.kill(find(params.id), query.signal);
    },

    async ContainerPause({ params }) {
      await lifecycle.pause(find(params.id));
    },

    async ContainerUnpause({ params }) {
      await lifecycle.unpause(find(params.id));
    },

    async ContainerRename({ params, query }) {
      await containers.updates.rename(find(params.id), query.name ?? '');
    },

    async ContainerUpdate({ params, body }) {
      await containers.updates.update(find(params.id), body);
      return { Warnings: [] };
    },

    async ContainerDelete({ params, query }) {
      if (query.link) return containers.links.remove(params.id);
      await containers.removal.remove(find(params.id), { force: query.force, volumes: query.v });
    },

    async ContainerPrune({ query }) {
      query.filters.allow(...pruneFilterNames);
      const [until] = query.filters.get('until');
      const limit = until === undefined ? undefined : parseTime(until).milliseconds;
      return pruneContainers(registry.all(), query.filters, limit, containers.removal, writableSize);
    },

    async ContainerTop({ params, query }) {
      const container = find(params.id);
      const processes = await listProcesses(addon, launcher, container, query.ps_args);
      containers.events.publish(container, 'top');
      return processes;
    },

    // Clients take the arrival of the headers for the moment from which the wait counts.
    async ContainerWait({ params, query, stream, signal }) {
      const condition = parseWaitCondition(query.condition);
      const exit = waitForContainer(find(params.id), condition, signal);
      const body = stream('application/json');
      const { exitCode, error } = await exit;
      body.end(`${JSON.stringify({ StatusCode: exitCode, ...(error && { Error: { Message: error } }) })}\n`);
    },

    async ContainerStats({ params, query, stream, signal }) {
      const container = find(params.id);
      const { statistics } = containers;
      if (!query.stream) {
        return query['one-shot'] ? statistics.sample(container) : statistics.compared(container);
      }
      const body = stream('application/json');
      for await (const sample of statistics.stream(container, signal)) body.write(`${JSON.stringify(sample)}\n`);
      body.end();
      return undefined;
    },
  };
}

/** In a list, Docker leaves out a size of 0, but never in an inspection. */
function listedSizes({ SizeRw, SizeRootFs }: { SizeRw: number; SizeRootFs: number }): object {
  return { ...(SizeRw > 0 && { SizeRw }), SizeRootFs };
}
