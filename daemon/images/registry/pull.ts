import { GantryError } from '../../errors.js';
import type { ProgressMessage } from '../../http/progress.js';
import type { Digest } from '../digest.js';
import type { ImageEvents } from '../events.js';
import { platformOf } from '../image-document.js';
import type { Lookup } from '../lookup.js';
import { isIndexType } from '../manifest.js';
import { formatPlatform, matchesPlatform, type Platform } from '../platform.js';
import { familiarName, familiarReference, type Reference } from '../reference.js';
import type { Tags } from '../tags.js';
import type { Credentials } from './credentials.js';
import { fetchManifest, headManifest } from './manifests.js';
import { readImageManifest, selectImage } from './platform-selection.js';
import { ProgressQueue, type Report } from './progress.js';
import type { ImageReception } from './image-reception.js';
import { RegistryError } from './registry-error.js';
import type { RepositorySession } from './session.js';
import type { Sessions } from './sessions.js';
import { SharedWork } from './shared-work.js';
import { listTags } from './tag-list.js';

export interface PullRequest {
  /** With a tag or a digest; a repository alone means all its tags. */
  reference: Reference;
  platform?: Platform | undefined;
  credentials: Credentials;
}

/** What a client is shown while it waits: each message as it comes. */
export type Send = (message: ProgressMessage) => Promise<void>;

/** Pulls images, each only once however many clients ask for it at the same time. */
export class Puller {
  readonly #shared = new SharedWork<undefined>();

  constructor(
    readonly sessions: Sessions,
    readonly reception: ImageReception,
    readonly lookup: Lookup,
    readonly tags: Tags,
    readonly events: ImageEvents,
  ) {}

  /** @throws GantryError, before the first message if it is known by then */
  async pull(request: PullRequest, send: Send, signal: AbortSignal): Promise<void> {
    if (request.reference.repository === 'docker.io/library/scratch') {
      throw new GantryError('forbidden', "'scratch' is a reserved name");
    }
    const { reference, platform, credentials } = request;
    const work = {
      key: JSON.stringify([familiarReference(reference), platform, credentials]),
      start: (report: Report, stop: AbortSignal) => this.#pull(request, report, stop),
      take: (result: undefined) => result,
    };
    await new ProgressQueue().run((report) => this.#shared.join(work, report, signal), send);
  }

  async #pull(
    { reference, platform, credentials }: PullRequest,
    report: Report,
    signal: AbortSignal,
  ): Promise<undefined> {
    const { repository, tag, digest } = reference;
    await this.sessions.pull(repository, credentials, signal, async (session) => {
      try {
        const isOne = tag !== undefined || digest !== undefined;
        const names = isOne ? [digest ?? tag ?? ''] : await listTags(session);
        let isNew = false;
        for (const name of names) isNew = (await this.#pullOne(session, repository, name, platform, report)) || isNew;
        const shown = familiarReference(digest ? { repository, digest } : reference);
        const status = isNew ? 'Downloaded newer image for' : 'Image is up to date for';
        report({ status: `Status: ${status} ${shown}` });
        this.#warnOfPlatform(reference, platform, report);
      } catch (error) {
        throw inDockersWords(error, reference);
      }
    });
    return undefined;
  }

  /** @returns whether the name stands for another image than before */
  async #pullOne(
    session: RepositorySession,
    repository: string,
    name: string,
    platform: Platform | undefined,
    report: Report,
  ): Promise<boolean> {
    const isDigest = name.includes(':');
    const reference: Reference = isDigest ? { repository, digest: name } : { repository, tag: name };
    const id = isDigest ? familiarReference(reference) : name;
    const start = (): void => report({ status: `Pulling from ${session.path}`, id });
    const known = platform || isDigest ? undefined : await this.#unchanged(session, reference);
    if (known) {
      start();
      report({ status: `Digest: ${known.digest}` });
      this.#publishEvent(known.id, reference);
      return false;
    }
    const fetched = await fetchManifest(session, name);
    if (!isIndexType(fetched.mediaType)) readImageManifest(fetched);
    start();
    const image = await selectImage(session, fetched, platform);
    const received = await this.reception.receive(session, image, {
      repository,
      ...(isDigest ? {} : { tag: name }),
      digest: fetched.digest,
      report,
    });
    report({ status: `Digest: ${fetched.digest}` });
    this.#publishEvent(received.id, reference);
    return received.isNew;
  }

  /** The image of a tag, if the registry says by a HEAD alone that it is still the same. */
  async #unchanged(
    session: RepositorySession,
    { repository, tag }: Reference,
  ): Promise<{ id: Digest; digest: Digest } | undefined> {
    const { store } = this.tags;
    const id = store.tag(repository, tag ?? '');
    const digests = id === undefined ? [] : store.digestsOf(id).filter((row) => row.repository === repository);
    if (id === undefined || digests.length === 0 || !this.lookup.get(id)) return undefined;
    const current = await headManifest(session, tag ?? '').catch((error: unknown) => {
      // A refusal is told in the answer to a GET, which alone has a body.
      if (error instanceof RegistryError) return undefined;
      throw error;
    });
    // Another platform of an index may have been pulled under the same digest in the meantime.
    const isSame = current !== undefined && store.digest(repository, current) === id;
    return isSame && store.tag(repository, tag ?? '') === id ? { id, digest: current } : undefined;
  }

  #warnOfPlatform(reference: Reference, wanted: Platform | undefined, report: Report): void {
    const name = familiarReference(reference);
    const image = wanted && (reference.tag ?? reference.digest) ? this.lookup.find(name) : undefined;
    if (!wanted || !image || matchesPlatform(platformOf(image.document), wanted)) return;
    report({
      status:
        `WARNING: image with reference ${name} was found but its platform ` +
        `(${formatPlatform(platformOf(image.document))}) does not match the specified platform (${formatPlatform(wanted)})`,
    });
  }

  #publishEvent(id: Digest, reference: Reference): void {
    this.events.publishTransfer('pull', id, familiarReference(reference), familiarName(reference.repository));
  }
}

/** Registries do not say whether a repository is absent or only not for everybody; Docker's users know these words. */
function inDockersWords(error: unknown, reference: Reference): unknown {
  if (!(error instanceof RegistryError)) return error;
  const name = familiarName(reference.repository);
  switch (error.code) {
    case 'DENIED':
      return new GantryError(
        'not-found',
        `pull access denied for ${name}, repository does not exist or may require 'docker login': ${error.message}`,
        { cause: error },
      );
    case 'MANIFEST_UNKNOWN':
      return new GantryError('not-found', `manifest for ${familiarReference(reference)} not found: ${error.message}`);
    case 'NAME_UNKNOWN':
      return new GantryError('not-found', `repository ${name} not found: ${error.message}`);
    default:
      return error;
  }
}
