import { invalid } from '../errors.js';
import type { ArchiveContent } from './archive-reader.js';
import type { Digest } from './digest.js';
import { parseImageDocument, platformOf } from './image-document.js';
import { isObject, isStringArray, parseJson } from './json-document.js';
import {
  isIndexType,
  isManifestType,
  parseIndex,
  parseManifest,
  writeManifest,
  type Descriptor,
  type ManifestLayer,
} from './manifest.js';
import { hostPlatform, matchesPlatform, type Platform } from './platform.js';
import type { ImagePlan } from './publication.js';
import { parseReference, withDefaultTag, type Reference } from './reference.js';
import type { Staging } from './staging.js';

export interface NamedPlan {
  plan: ImagePlan;
  names: Reference[];
}

const maxImages = 1000;
const maxIndexDepth = 4;

/**
 * What images an archive holds: by manifest.json where there is one (what `docker save` writes), else by index.json of
 * the OCI layout.
 *
 * @throws GantryError invalid
 */
export async function planArchive(content: ArchiveContent, staging: Staging, wanted?: Platform): Promise<NamedPlan[]> {
  const list = content.documents.get('manifest.json');
  if (list) return planDockerArchive(list, content, staging);
  const index = content.documents.get('index.json');
  if (index) return planLayout(index, content, staging, wanted ?? hostPlatform);
  if (content.documents.has('repositories')) {
    throw invalid(
      'archives of Docker before 1.10 (without manifest.json) cannot be loaded: save the image again with a newer Docker',
    );
  }
  throw invalid('invalid archive: neither manifest.json nor index.json is in it');
}

async function planDockerArchive(list: Buffer, content: ArchiveContent, staging: Staging): Promise<NamedPlan[]> {
  const entries = parseJson(list, 'manifest.json');
  if (!Array.isArray(entries)) throw invalid('manifest.json is not a list');
  if (entries.length > maxImages) throw invalid(`manifest.json names more than ${maxImages} images`);
  const originals = await originalManifests(content, staging);
  const plans: NamedPlan[] = [];
  for (const entry of entries) plans.push(await planListed(entry, content, staging, originals));
  return plans;
}

async function planListed(
  entry: unknown,
  content: ArchiveContent,
  staging: Staging,
  originals: ReadonlyMap<string, Buffer>,
): Promise<NamedPlan> {
  const { Config, Layers, RepoTags } = isObject(entry) ? entry : {};
  const layers = Layers ?? [];
  const tags = RepoTags ?? [];
  if (typeof Config !== 'string') throw invalid('manifest.json: Config must be a path');
  if (!isStringArray(layers)) throw invalid('manifest.json: Layers must be a list of paths');
  if (!isStringArray(tags)) throw invalid('manifest.json: RepoTags must be a list of names');
  const configDigest = content.blob(Config);
  const config = await staging.document(configDigest, 'image configuration');
  const document = parseImageDocument(config);
  const layerBlobs = layers.map((path) => content.blob(path));
  const manifest =
    originals.get([configDigest, ...layerBlobs].join(' ')) ??
    (await makeManifest(configDigest, config.length, layerBlobs, staging));
  return {
    plan: { document, config, manifest, layerBlobs },
    names: tags.map((tag) => withDefaultTag(parseReference(tag))),
  };
}

/** The manifests that index.json lists besides manifest.json, so that an image keeps the one it was published with. */
async function originalManifests(content: ArchiveContent, staging: Staging): Promise<Map<string, Buffer>> {
  const originals = new Map<string, Buffer>();
  const index = content.documents.get('index.json');
  if (!index) return originals;
  for (const { mediaType, digest } of parseIndex(index, 'index.json')) {
    if (!isManifestType(mediaType) || !content.blobs.has(blobPath(digest))) continue;
    const bytes = await staging.document(digest, 'image manifest');
    const { config, layers } = parseManifest(bytes, `manifest ${digest}`);
    originals.set([config.digest, ...layers.map((layer) => layer.digest)].join(' '), bytes);
  }
  return originals;
}

async function planLayout(
  index: Buffer,
  content: ArchiveContent,
  staging: Staging,
  wanted: Platform,
): Promise<NamedPlan[]> {
  const plans: NamedPlan[] = [];
  for (const descriptor of parseIndex(index, 'index.json')) {
    if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) continue;
    if (isAttestation(descriptor)) continue;
    const manifestDigest = await selectManifest(descriptor, content, staging, wanted);
    plans.push({ plan: await planManifest(manifestDigest, content, staging), names: namesOf(descriptor) });
  }
  if (plans.length === 0) throw invalid('invalid archive: index.json names no image');
  return plans;
}

async function planManifest(digest: Digest, content: ArchiveContent, staging: Staging): Promise<ImagePlan> {
  const manifest = await staging.document(content.blob(blobPath(digest)), 'image manifest');
  const parsed = parseManifest(manifest, `manifest ${digest}`);
  const config = await staging.document(content.blob(blobPath(parsed.config.digest)), 'image configuration');
  const layerBlobs = parsed.layers.map((layer) => content.blob(blobPath(layer.digest)));
  return { document: parseImageDocument(config), config, manifest, layerBlobs };
}

/** Follows nested indexes to the manifest of the wanted platform. */
async function selectManifest(
  descriptor: Descriptor,
  content: ArchiveContent,
  staging: Staging,
  wanted: Platform,
  depth = 0,
): Promise<Digest> {
  if (isManifestType(descriptor.mediaType)) return descriptor.digest;
  if (depth >= maxIndexDepth) throw invalid(`invalid archive: indexes are nested more than ${maxIndexDepth} deep`);
  const index = await staging.document(content.blob(blobPath(descriptor.digest)), 'image index');
  const images = parseIndex(index, `index ${descriptor.digest}`).filter(
    (entry) => (isIndexType(entry.mediaType) || isManifestType(entry.mediaType)) && !isAttestation(entry),
  );
  const matching = images.find((entry) => entry.platform && matchesPlatform(entry.platform, wanted));
  const next = matching ?? (images.length === 1 ? images[0] : undefined);
  if (!next) throw invalid(`invalid archive: no image for ${wanted.os}/${wanted.architecture} in it`);
  return selectManifest(next, content, staging, wanted, depth + 1);
}

/** BuildKit puts statements about an image beside it, for a platform that does not exist. */
export const isAttestation = (descriptor: Descriptor): boolean =>
  descriptor.platform?.os === 'unknown' ||
  descriptor.annotations?.['vnd.docker.reference.type'] === 'attestation-manifest';

/** The name containerd writes in full; else the layout's own annotation, which may be a whole name or only a tag. */
function namesOf(descriptor: Descriptor): Reference[] {
  const annotations = descriptor.annotations ?? {};
  const name = annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name'];
  const isOnlyTag = name !== undefined && !annotations['io.containerd.image.name'] && !/[:/]/.test(name);
  return name === undefined || isOnlyTag ? [] : [withDefaultTag(parseReference(name))];
}

async function makeManifest(
  config: Digest,
  configSize: number,
  layerBlobs: Digest[],
  staging: Staging,
): Promise<Buffer> {
  const layers: ManifestLayer[] = [];
  for (const digest of layerBlobs) {
    const blob = staging.find(digest);
    if (!blob) throw invalid(`layer ${digest} is missing`);
    layers.push({ digest, size: blob.size, compression: await staging.layerCompression(blob) });
  }
  return writeManifest({ digest: config, size: configSize }, layers);
}

const blobPath = (digest: Digest): string => `blobs/sha256/${digest.slice('sha256:'.length)}`;

/** @throws GantryError not-found when a platform was asked for and an image has another */
export function requirePlatform(plans: readonly NamedPlan[], wanted: Platform | undefined): void {
  if (!wanted) return;
  for (const { plan } of plans) {
    const platform = platformOf(plan.document);
    if (matchesPlatform(platform, wanted)) continue;
    const [has, asked] = [platform, wanted].map((p) => [p.os, p.architecture, p.variant].filter(Boolean).join('/'));
    throw invalid(`the archive holds an image for ${has}, not for ${asked}`);
  }
}
