import { encodePathStat, getArchive, headArchive, putArchive } from '../containers/archive.js';
import { containerChanges } from '../containers/changes.js';
import type { Container } from '../containers/container.js';
import { exportContainer } from '../containers/export.js';
import { type ContainerLayers, fileAccess, type FileAccess } from '../containers/file-access.js';
import type { Containers } from '../containers/index.js';
import { invalid } from '../errors.js';
import type { Handlers } from '../http/call.js';
import { sendUntilGone } from '../http/send-until-gone.js';

/** Reading and writing the files of containers: docker cp, diff and export. */
export function archiveRoutes({ addon, registry, directories, launcher, layerDirectories }: Containers): Handlers {
  const layersOf = ({ id, imageId }: Container): ContainerLayers => ({
    upper: directories.data(id, 'upper'),
    work: directories.data(id, 'work'),
    lower: layerDirectories(imageId),
    imageLayers: layerDirectories,
  });

  /** The layers of a stopped container are mounted for the operation, so it must not start meanwhile. */
  const withFiles = async <Result>(id: string, use: (access: FileAccess) => Promise<Result>): Promise<Result> => {
    const container = registry.get(id);
    const work = async (): Promise<Result> => use(fileAccess(addon, id, container, layersOf(container)));
    if (container.running) return work();
    return container.lock.run(() => launcher.withVolumes(container, work));
  };

  return {
    async ContainerArchiveInfo({ params, query, reply }) {
      const stat = await withFiles(params.id, (access) => headArchive(access, pathOf(query)));
      reply.header('x-docker-container-path-stat', encodePathStat(stat));
    },

    async ContainerArchive({ params, query, reply, stream, signal }) {
      await withFiles(params.id, async (access) => {
        const archive = await getArchive(access, pathOf(query));
        reply.header('x-docker-container-path-stat', encodePathStat(archive.stat));
        await sendUntilGone(archive.stream, stream('application/x-tar'), signal);
      });
    },

    async PutContainerArchive({ params, query, body }) {
      await withFiles(params.id, (access) => putArchive(access, pathOf(query), body, query));
    },

    async ContainerChanges({ params }) {
      return containerChanges(addon, layersOf(registry.get(params.id)));
    },

    async ContainerExport({ params, stream, signal }) {
      const layers = layersOf(registry.get(params.id));
      await sendUntilGone(exportContainer(addon, layers), stream('application/octet-stream'), signal);
    },
  };
}

function pathOf({ path }: { path?: string }): string {
  if (!path) throw invalid('Bad parameters: path cannot be empty');
  return path;
}
