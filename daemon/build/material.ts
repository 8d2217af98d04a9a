import { familiarName, type Reference } from '../images/reference.js';
import { formatPlatform, type Platform } from '../images/platform.js';
import type { Digest } from '../images/digest.js';

/** Something from elsewhere that went into a build: an image, a file, a commit. */
export interface Material {
  uri: string;
  /** By the name of the algorithm. */
  digest: Readonly<Record<string, string>>;
}

/** As a package URL. */
export function imageMaterial(
  { repository, tag, digest: wanted }: Reference,
  platform: Platform,
  digest: Digest,
): Material {
  const qualifiers = [
    ...(wanted === undefined ? [] : [`digest=${wanted}`]),
    `platform=${encodeURIComponent(formatPlatform(platform))}`,
  ];
  const version = tag === undefined ? '' : `@${encodeURIComponent(tag)}`;
  return {
    uri: `pkg:docker/${familiarName(repository)}${version}?${qualifiers.join('&')}`,
    digest: digestOfKind(digest),
  };
}

/** "sha256:…" */
export function digestOfKind(digest: Digest): Material['digest'] {
  const [algorithm = '', hex = ''] = digest.split(':');
  return { [algorithm]: hex };
}
