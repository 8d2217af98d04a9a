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
import { familiarReference, parseReference, parseRepositoryAndTag, withDefaultTag } from '../images/reference.js';
import { pruneFilterNames } from '../images/removal.js';

/** The Image tag of the API document, but for building. */
export function imageRoutes(images: Images, containers: Containers): Handlers {
  const { lookup, store, removal } = images;

  return {
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

    async ImageLoad({ query, body, stream, signal }) {
      const wanted = onePlatform(query.platform);
      await streamProgress(
        () => stream('application/json'),
        signal,
        async (report) => {
          for (const line of await images.loader.load(body, wanted)) await report({ stream: line });
        },
      );
    },

    async ImageGet({ params, query, stream, signal }) {
      const archive = images.saver.save([params.name], (query.platform ?? []).map(parsePlatformJson));
      await archive.writeTo(stream('application/x-tar'), signal);
    },

    async ImageGetAll({ query, stream, signal }) {
      const archive = images.saver.save(query.names ?? [], (query.platform ?? []).map(parsePlatformJson));
      await archive.writeTo(stream('application/x-tar'), signal);
    },

    async ImageCreate({ query, body, stream, signal }) {
      if (query.fromImage) throw pullRefused(images, query.fromImage, query.tag);
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
        return { Id: await images.committer.commit({ source, reference, config, changes, author, comment }) };
      } finally {
        await source.release();
      }
    },

    ImagePush() {
      throw unsupported('pushing images to a registry is not supported yet: use docker save');
    },

    ImageSearch() {
      throw unsupported('searching registries is not supported yet');
    },

    DistributionInspect() {
      throw unsupported('asking a registry about an image is not supported yet');
    },
  };
}

/** The CLI shows the message as it stands. Not 404, which some clients answer by trying other registries. */
function pullRefused(images: Images, fromImage: string, tag: string | undefined): Error {
  const reference = parseReference(fromImage);
  const isDigest = tag?.includes(':') ?? false;
  const name = withDefaultTag(
    isDigest ? parseReference(`${fromImage}@${tag}`) : tag ? { ...reference, tag } : reference,
  );
  const local = images.lookup.find(familiarReference(name)) ? ' (it is present locally and can be used as it is)' : '';
  return unsupported(
    `cannot pull ${familiarReference(name)}${local}: pulling from registries is not supported yet, use docker load or docker import`,
  );
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
