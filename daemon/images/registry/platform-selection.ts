import { GantryError, invalid } from '../../errors.js';
import { isAttestation } from '../archive-plan.js';
import { isIndexType, isManifestType, parseIndex, parseManifest, type Descriptor, type Manifest } from '../manifest.js';
import { formatPlatform, hostPlatform, matchesPlatform, type Platform } from '../platform.js';
import { fetchManifest, type FetchedManifest } from './manifests.js';
import type { RepositorySession } from './session.js';

/** The manifest of one image, with what it says. */
export interface ImageManifest extends FetchedManifest {
  parsed: Manifest;
}

const maxIndexDepth = 4;
const configTypes = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
  // Written by registries and tools of long ago.
  'application/octet-stream',
]);
const layerType =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(?:\.gzip|\.zstd)?)$/;

/** Follows indexes to the manifest of a platform. @throws GantryError */
export async function selectImage(
  session: RepositorySession,
  fetched: FetchedManifest,
  wanted: Platform = hostPlatform,
): Promise<ImageManifest> {
  let current = fetched;
  for (let depth = 0; isIndexType(current.mediaType); depth++) {
    if (depth >= maxIndexDepth) throw invalid(`index ${fetched.digest} is nested more than ${maxIndexDepth} deep`);
    const entries = parseIndex(current.content, `index ${current.digest}`);
    const chosen = choosePlatform(entries, wanted);
    if (!chosen) {
      throw new GantryError(
        'not-found',
        `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries`,
      );
    }
    current = await fetchManifest(session, chosen.digest);
    if (current.content.length !== chosen.size) {
      throw invalid(`manifest ${chosen.digest} has ${current.content.length} bytes, its index says ${chosen.size}`);
    }
    if (current.mediaType !== chosen.mediaType) {
      throw invalid(`manifest ${chosen.digest} is a ${current.mediaType}, its index says ${chosen.mediaType}`);
    }
  }
  return readImageManifest(current);
}

/** Checks that a manifest is one of an image rather than of a plugin, a chart or whatever else registries store. */
export function readImageManifest(fetched: FetchedManifest): ImageManifest {
  const parsed = parseManifest(fetched.content, `manifest ${fetched.digest}`);
  const { mediaType } = parsed.config;
  if (!configTypes.has(mediaType)) {
    const kind = mediaType.startsWith('application/vnd.docker.plugin') ? 'plugin' : 'unknown';
    throw invalid(`Encountered remote ${JSON.stringify(mediaType.slice(0, 200))}(${kind}) when fetching`);
  }
  for (const layer of parsed.layers) {
    if (!layerType.test(layer.mediaType)) {
      throw invalid(`layer ${layer.digest} has the unsupported media type ${layer.mediaType.slice(0, 200)}`);
    }
  }
  return { ...fetched, parsed };
}

/**
 * The first entry for a platform. Where no variant is asked for, one that says nothing special comes first: amd64/v3 may
 * need a newer processor than this one.
 */
export function choosePlatform(entries: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  const images = entries.filter(
    ({ mediaType, ...entry }) =>
      (isIndexType(mediaType) || isManifestType(mediaType)) && !isAttestation({ mediaType, ...entry }),
  );
  const matching = images.filter((entry) => entry.platform && matchesPlatform(entry.platform, wanted));
  const plain = matching.find((entry) => isBaseline(entry.platform));
  return (wanted.variant === undefined ? plain : undefined) ?? matching[0] ?? images.find((entry) => !entry.platform);
}

function isBaseline(platform: Platform | undefined): boolean {
  const baseline: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8' };
  return platform?.variant === undefined || platform.variant === baseline[platform.architecture];
}
