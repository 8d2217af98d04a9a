import { againAfterEnd } from '../containers/again-after-end.js';
import { encodePathStat, getArchive, headArchive, putArchive } from '../containers/archive.js';
import { containerChanges } from '../containers/changes.js';
import type { Container } from '../containers/container.js';
import { etcFiles, networkOwner } from '../containers/etc-files.js';
import { exportContainer } from '../containers/export.js';
import { type ContainerLayers, fileAccess, type FileAccess } from '../containers/file-access.js';
import type { Containers } from '../containers/index.js';
import type { EtcFiles } from '../containers/spec/mounts.js';
import { invalid } from '../errors.js';
import type { Handlers } from '../http/call.js';
import type { NativeError } from '../runtime/addon.js';
import { sendUntilGone } from '../http/send-until-gone.js';

/** Reading and writing the files of containers: docker cp, diff and export. */
export function archiveRoutes(containers: Containers): Handlers {
  const { addon, registry, directories, events, launcher, lifecycle, layerDirectories, imageLayers } = containers;
  const layersOf = ({ id, imageId }: Container): ContainerLayers => ({
    upper: directories.data(id, 'upper'),
    work: directories.data(id, 'work'),
    lower: layerDirectories(imageId),
    imageLayers,
  });

  const etcOf = (container: Container): EtcFiles | undefined => {
    const owner = networkOwner(container, (other) => registry.find(other));
    return owner && etcFiles(owner, directories);
  };

  /** The layers of a stopped container are mounted for the operation, so it must not start meanwhile. */
  const withFiles = async <Result>(
    id: string,
    container: Container,
    use: (access: FileAccess) => Promise<Result>,
  ): Promise<Result> => {
    const work = async (): Promise<Result> =>
      use(fileAccess(addon, id, container, layersOf(container), directories.mapping, etcOf(container)));
    return againAfterEnd(
      () => (container.running ? work() : container.lock.run(() => launcher.volumes.with(container, work))),
      // It ended before its root could be opened.
      (error) => (error as NativeError).code === 'ESRCH',
      () => lifecycle.nextExit(container),
    );
  };

  return {
    async ContainerArchiveInfo({ params, query, reply }) {
      const stat = await withFiles(params.id, registry.get(params.id), (access) => headArchive(access, pathOf(query)));
      reply.header('x-docker-container-path-stat', encodePathStat(stat));
    },

    async ContainerArchive({ params, query, reply, stream, signal }) {
      const container = registry.get(params.id);
      await withFiles(params.id, container, async (access) => {
        const archive = await getArchive(access, pathOf(query));
        events.publish(container, 'archive-path');
        reply.header('x-docker-container-path-stat', encodePathStat(archive.stat));
        await sendUntilGone(archive.stream, stream('application/x-tar'), signal);
      });
    },

    async PutContainerArchive({ params, query, body }) {
      const container = registry.get(params.id);
      await withFiles(params.id, container, (access) => putArchive(access, pathOf(query), body, query));
      events.publish(container, 'extract-to-dir');
    },

    async ContainerChanges({ params }) {
      return containerChanges(addon, layersOf(registry.get(params.id)));
    },

    async ContainerExport({ params, stream, signal }) {
      const container = registry.get(params.id);
      const layers = layersOf(container);
      await sendUntilGone(
        exportContainer(addon, layers, directories.mapping),
        stream('application/octet-stream'),
        signal,
      );
      events.publish(container, 'export');
    },
  };
}

function pathOf({ path }: { path?: string }): string {
  if (!path) throw invalid('Bad parameters: path cannot be empty');
  return path;
}
