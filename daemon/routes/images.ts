import { openCommitSource } from '../containers/commit-source.js';
import type { Containers } from '../containers/index.js';
import { invalid, unsupported } from '../errors.js';
import type { Handlers } from '../http/call.js';
import { streamProgress } from '../http/progress.js';
import { imageHistory } from '../images/history.js';
import { checkImageConfig } from '../images/image-document.js';
import type { Images } from '../images/images.js';
import { inspectImage, summarizeImage } from '../images/inspect.js';
import { listFilterNames, listImages } from '../images/list.js';
import { parsePlatformJson, type Platform } from '../images/platform.js';
import { familiarReference, parseRepositoryAndTag } from '../images/reference.js';
import type { Registries } from '../images/registry/registries.js';
import { pruneFilterNames } from '../images/removal.js';
import { pullImage, registryRoutes, streamTransfer } from './registries.js';

/** The Image tag of the API document, but for building. */
export function imageRoutes(images: Images, containers: Containers, registries: Registries): Handlers {
  const { lookup, store, removal } = images;

  return {
    ...registryRoutes(images, registries),

    ImageList({ query, version }) {
      query.filters.allow(...listFilterNames);
      const options = { all: query.all, sharedSize: query['shared-size'], filters: query.filters };
      return listImages(store, lookup, removal.users, options).map((listed) => summarizeImage(listed, version));
    },

    ImageInspect({ params, query, version }) {
      if (query.manifests && query.platform)
        throw invalid('conflicting options: manifests and platform options cannot both be set');
      return inspectImage(lookup.resolveForPlatform(params.name, query.platform), images, version);
    },

    ImageHistory({ params, query }) {
      return imageHistory(lookup.resolveForPlatform(params.name, query.platform), store, images.tags);
    },

    ImageTag({ params, query }) {
      if (!query.repo) throw invalid('repo is required: say what to call the image');
      images.tag(params.name, parseRepositoryAndTag(query.repo, query.tag));
    },

    ImageDelete({ params, query }) {
      for (const text of query.platforms ?? []) lookup.resolveForPlatform(params.name, text);
      return removal.remove(params.name, { force: query.force, noprune: query.noprune });
    },

    ImagePrune({ query }) {
      query.filters.allow(...pruneFilterNames);
      if (query.filters.get('until').length > 1) throw invalid('more than one until filter specified');
      return removal.prune(query.filters);
    },

    async ImageLoad(call) {
      const { query, body } = call;
      const options = { platform: onePlatform(query.platform), quiet: query.quiet };
      await streamTransfer(call, (send) => images.loader.load(body, options, send));
    },

    async ImageGet({ params, query, stream, signal }) {
      const archive = images.saver.save([params.name], (query.platform ?? []).map(parsePlatformJson));
      await archive.writeTo(stream('application/x-tar'), signal);
    },

    async ImageGetAll({ query, stream, signal }) {
      const archive = images.saver.save(query.names ?? [], (query.platform ?? []).map(parsePlatformJson));
      await archive.writeTo(stream('application/x-tar'), signal);
    },

    async ImageCreate(call) {
      const { query, body, stream, signal } = call;
      if (query.fromImage) return pullImage(call, registries);
      if (query.fromSrc !== '-') throw sourceRefused(query.fromSrc);
      const reference = query.repo ? parseRepositoryAndTag(query.repo, query.tag) : undefined;
      await streamProgress(
        () => stream('application/json'),
        signal,
        async (report) => {
          const id = await images.importer.import({
            archive: body,
            reference,
            changes: query.changes ?? [],
            message: query.message,
            platform: query.platform,
          });
          await report({ status: id });
        },
      );
    },

    async ImageCommit({ query, body }) {
      const reference = query.repo ? parseRepositoryAndTag(query.repo, query.tag) : undefined;
      const source = await openCommitSource(containers, query.container ?? '', { pause: query.pause });
      try {
        const config = Object.keys(body).length > 0 ? checkImageConfig(body) : undefined;
        const { author, comment, changes = [] } = query;
        const id = await images.committer.commit({ source, reference, config, changes, author, comment });
        source.committed({
          imageID: id,
          imageRef: reference ? familiarReference(reference) : '',
          comment: comment ?? '',
        });
        return { Id: id };
      } finally {
        await source.release();
      }
    },
  };
}

function sourceRefused(source: string | undefined): Error {
  if (!source) return invalid('either fromImage or fromSrc is required');
  return unsupported(
    `importing from a URL (${source}) is not supported: download it and use docker import with the file`,
  );
}

/** Only one platform of an image can be stored. */
function onePlatform(texts: readonly string[] | undefined): Platform | undefined {
  const [first, second] = texts ?? [];
  if (second !== undefined) throw invalid('loading several platforms of an image is not supported: name one');
  return first === undefined ? undefined : parsePlatformJson(first);
}
