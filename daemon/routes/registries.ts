import type { Handlers, Call } from '../http/call.js';
import { streamProgress } from '../http/progress.js';
import { parsePlatform } from '../images/platform.js';
import type { Images } from '../images/images.js';
import { invalid } from '../errors.js';
import { parseReference, parseRepositoryAndTag, withDefaultTag, type Reference } from '../images/reference.js';
import { credentialsFor, credentialsOf } from '../images/registry/credentials.js';
import { splitRepository } from '../images/registry/endpoints.js';
import type { Send } from '../images/registry/pull.js';
import type { Registries } from '../images/registry/registries.js';

/** What the API document has about registries, under the tags Image, Distribution and System. */
export function registryRoutes(images: Images, registries: Registries): Handlers {
  return {
    async ImagePush(call) {
      const { params, query, headers, signal } = call;
      const reference = pushReference(params.name, query.tag);
      if (query.platform) {
        const { repository, tag = 'latest' } = reference;
        const name = `${repository}:${tag}`;
        images.lookup.resolveForPlatform(name, query.platform);
      }
      const credentials = credentialsOfCall(headers, reference);
      await streamTransfer(call, (send) => registries.pusher.push({ reference, credentials }, send, signal));
    },

    async ImageSearch({ query, headers, signal }) {
      const { term = '', limit, filters } = query;
      return registries.search.find({ term, limit, filters }, (registry) => credentialsFor(headers, registry), signal);
    },

    async DistributionInspect({ params, headers, signal }) {
      const reference = withDefaultTag(parseReference(params.name));
      return registries.inspect(reference, credentialsOfCall(headers, reference), signal);
    },

    async SystemAuth({ body, signal }) {
      return registries.login.check(body.serveraddress ?? '', credentialsOf(body), signal);
    },
  };
}

/** POST /images/create with fromImage. */
export async function pullImage(call: Call<'ImageCreate'>, registries: Registries): Promise<void> {
  const { query, headers, signal } = call;
  const reference = pullReference(query.fromImage ?? '', query.tag);
  const platform = query.platform ? parsePlatform(query.platform) : undefined;
  const credentials = credentialsOfCall(headers, reference);
  await streamTransfer(call, (send) => registries.puller.pull({ reference, platform, credentials }, send, signal));
}

const credentialsOfCall = (headers: Call['headers'], { repository }: Reference) =>
  credentialsFor(headers, splitRepository(repository).registry);

/** Text that draws a bar is for clients that cannot draw it from the numbers: newer versions leave it out. */
export async function streamTransfer(
  { stream, signal, version }: Pick<Call, 'stream' | 'signal' | 'version'>,
  work: (send: Send) => Promise<void>,
): Promise<void> {
  await streamProgress(
    () => stream('application/json'),
    signal,
    (report) =>
      work(({ progress, ...message }) =>
        report(progress && !version.atLeast('1.52') ? withProgress(message, progress) : message),
      ),
  );
}

/** In the place where Docker has it. */
function withProgress({ id, ...message }: Parameters<Send>[0], progress: string): Parameters<Send>[0] {
  return { ...message, progress, ...(id === undefined ? {} : { id }) };
}

/** `tag` may be a digest. A name without either means all tags. */
function pullReference(fromImage: string, tag: string | undefined): Reference {
  const reference = parseReference(fromImage);
  if (!tag) return reference;
  return tag.includes(':')
    ? parseReference(`${reference.repository}@${tag}`)
    : parseRepositoryAndTag(reference.repository, tag);
}

function pushReference(name: string, tag: string | undefined): Reference {
  const reference = parseReference(name);
  if (!tag) return reference;
  if (tag.includes(':')) throw invalid('cannot push a digest reference');
  return parseRepositoryAndTag(reference.repository, tag);
}
