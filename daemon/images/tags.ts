import { conflict, invalid } from '../errors.js';
import type { ImageStore } from '../store/images.js';
import type { Digest } from './digest.js';
import { withDefaultTag, type Reference } from './reference.js';

/** Names of images. */
export class Tags {
  constructor(readonly store: ImageStore) {}

  /** Gives a name to an image, taking it from the one that had it. */
  assign(reference: Reference, imageId: Digest): void {
    const { repository, tag, digest } = withDefaultTag(reference);
    if (repository === 'docker.io/library/sha256') {
      throw invalid('refusing to create an ambiguous tag using digest algorithm as name');
    }
    if (tag === undefined) {
      if (digest === undefined) throw invalid('invalid reference format');
      return this.#assignFreeDigest(repository, digest, imageId);
    }
    this.store.setTag(repository, tag, imageId, new Date().toISOString());
  }

  /** Records under which digest a registry has an image. It may have been another one: an index names one for each platform. */
  assignDigest(repository: string, digest: Digest, imageId: Digest): void {
    this.store.setDigest(repository, digest, imageId);
  }

  /** Tagged and digested names of an image, tags first. */
  of(imageId: Digest): Reference[] {
    return [
      ...this.store.tagsOf(imageId).map(({ repository, reference }) => ({ repository, tag: reference })),
      ...this.store.digestsOf(imageId).map(({ repository, reference }) => ({ repository, digest: reference })),
    ];
  }

  remove(reference: Reference): void {
    if (reference.tag !== undefined) this.store.deleteTag(reference.repository, reference.tag);
    else if (reference.digest !== undefined) this.store.deleteDigest(reference.repository, reference.digest);
  }

  /** A digest names one image only. */
  #assignFreeDigest(repository: string, digest: Digest, imageId: Digest): void {
    const holder = this.store.digest(repository, digest);
    if (holder !== undefined && holder !== imageId) {
      throw conflict(`Conflict: the digest ${repository}@${digest} already names another image`);
    }
    this.store.setDigest(repository, digest, imageId);
  }
}
