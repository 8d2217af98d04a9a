import { invalid, notFound } from '../errors.js';
import type { ImageRow, ImageStore } from '../store/images.js';
import type { Digest } from './digest.js';
import { platformOf, type ImageConfig, type ImageDocument } from './image-document.js';
import { formatPlatform, matchesPlatform, parsePlatform, parsePlatformJson, type Platform } from './platform.js';
import { familiarReference, idPrefix, parseReference, wholeId, withDefaultTag, type Reference } from './reference.js';

/** An image as other parts see it. */
export interface Image {
  id: Digest;
  /** "" if it was not made from another one here. */
  parentId: Digest;
  document: ImageDocument;
  config: ImageConfig;
  /** Digest of its manifest in the content store. */
  manifest: Digest;
  /** Milliseconds since the epoch; 0 when unknown. */
  created: number;
  /** Bytes of file content. */
  size: number;
  /** RFC 3339; "" if it never had a name. */
  lastTagged: string;
}

/** Finds images by what users call them. */
export class Lookup {
  constructor(readonly store: ImageStore) {}

  /**
   * By id, name or unambiguous beginning of the id, in the order in which Docker looks.
   *
   * @param platform "linux/arm64"; an image of another platform counts as absent, as `docker run --platform` expects
   * @throws GantryError not-found in the words on which the docker CLI starts a pull
   */
  resolve(text: string, platform?: string): Image {
    const image = this.find(text);
    if (!image) throw notFound(`No such image: ${notFoundName(text)}`);
    return platform ? this.#requirePlatform(image, text, parsePlatform(platform)) : image;
  }

  /** As `resolve`, with the platform in the JSON form of the image endpoints. */
  resolveForPlatform(text: string, platformJson: string | undefined): Image {
    const image = this.resolve(text);
    return platformJson ? this.#requirePlatform(image, text, parsePlatformJson(platformJson)) : image;
  }

  /** @throws GantryError invalid when `text` can be no name at all */
  find(text: string): Image | undefined {
    const id = wholeId(text);
    if (id !== undefined) return this.get(id);
    const reference = withDefaultTag(parseReference(text));
    return this.#byName(reference) ?? this.#byPrefix(text);
  }

  /** By its whole id, unless it has been removed. */
  get(id: Digest): Image | undefined {
    const row = this.store.image(id);
    return row && !row.removed ? toImage(row) : undefined;
  }

  #byName({ repository, tag, digest }: Reference): Image | undefined {
    const byDigest = digest === undefined ? undefined : this.store.digest(repository, digest);
    const id = byDigest ?? (tag !== undefined && digest === undefined ? this.store.tag(repository, tag) : undefined);
    return id === undefined ? undefined : this.get(id);
  }

  #byPrefix(text: string): Image | undefined {
    const prefix = idPrefix(text);
    if (prefix === undefined) return undefined;
    const [found, second] = this.store.imagesByPrefix(prefix);
    if (second) throw invalid(`multiple IDs found with provided prefix: ${text}`);
    return found && toImage(found);
  }

  #requirePlatform(image: Image, text: string, wanted: Platform): Image {
    const platform = platformOf(image.document);
    if (matchesPlatform(platform, wanted)) return image;
    throw notFound(
      `image with reference ${text} was found but its platform (${formatPlatform(platform)}) ` +
        `does not match the specified platform (${formatPlatform(wanted)})`,
    );
  }
}

export function toImage(row: ImageRow): Image {
  const document = JSON.parse(row.document) as ImageDocument;
  return {
    id: row.id,
    parentId: row.parent_id,
    document: { ...document, os: document.os ?? 'linux' },
    config: document.config ?? {},
    manifest: row.manifest,
    created: row.created,
    size: row.size,
    lastTagged: row.last_tagged,
  };
}

function notFoundName(text: string): string {
  return wholeId(text) ?? familiarReference(withDefaultTag(parseReference(text)));
}
