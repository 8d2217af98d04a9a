import { invalid } from '../errors.js';
import type { Compression } from './compression.js';
import { isDigest, type Digest } from './digest.js';
import { isObject, isStringMap, parseObject } from './json-document.js';
import type { Platform } from './platform.js';

/** Media types of the OCI image specification and of Docker's own before it. */
const indexTypes = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);
const manifestTypes = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]);
export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: {
    none: 'application/vnd.oci.image.layer.v1.tar',
    gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
    zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  },
} as const;

export interface Descriptor {
  mediaType: string;
  digest: Digest;
  size: number;
  annotations?: Record<string, string>;
  platform?: Platform;
}

export interface Manifest {
  config: Descriptor;
  layers: Descriptor[];
}

const maxDescriptors = 1000;

export const isIndexType = (mediaType: string): boolean => indexTypes.has(mediaType);
export const isManifestType = (mediaType: string): boolean => manifestTypes.has(mediaType);

/** An image index, as index.json of a layout or as a blob. @throws GantryError invalid */
export function parseIndex(content: Uint8Array, what: string): Descriptor[] {
  const index = parseObject(content, what);
  if (index['schemaVersion'] !== 2) throw invalid(`${what}: schemaVersion must be 2`);
  return parseDescriptors(index['manifests'], `${what}: manifests`);
}

/** An image manifest. @throws GantryError invalid */
export function parseManifest(content: Uint8Array, what: string): Manifest {
  const manifest = parseObject(content, what);
  if (manifest['schemaVersion'] !== 2) throw invalid(`${what}: schemaVersion must be 2`);
  return {
    config: parseDescriptor(manifest['config'], `${what}: config`),
    layers: parseDescriptors(manifest['layers'], `${what}: layers`),
  };
}

/** The manifest of an image whose blobs are known, always in the same bytes. */
export function writeManifest(config: { digest: Digest; size: number }, layers: readonly ManifestLayer[]): Buffer {
  return writeManifestOf(config, layers.map(layerDescriptor));
}

/** The same from descriptors, whose other members are left out. */
export function writeManifestOf(config: { digest: Digest; size: number }, layers: readonly Descriptor[]): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config: { mediaType: mediaTypes.config, digest: config.digest, size: config.size },
      layers: layers.map(({ mediaType, size, digest }) => ({ mediaType, size, digest })),
    }),
  );
}

export interface ManifestLayer {
  digest: Digest;
  size: number;
  compression: Compression;
}

export function layerDescriptor(layer: ManifestLayer): Descriptor {
  return { mediaType: mediaTypes.layer[layer.compression], size: layer.size, digest: layer.digest };
}

function parseDescriptors(value: unknown, what: string): Descriptor[] {
  if (!Array.isArray(value)) throw invalid(`${what} must be a list`);
  if (value.length > maxDescriptors) throw invalid(`${what} has more than ${maxDescriptors} entries`);
  return value.map((entry) => parseDescriptor(entry, what));
}

function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isObject(value) || typeof value['mediaType'] !== 'string')
    throw invalid(`${what}: descriptor without a mediaType`);
  const { digest, size, annotations, platform } = value;
  if (!isDigest(digest)) throw invalid(`${what}: descriptor without a sha256 digest`);
  if (!Number.isSafeInteger(size) || (size as number) < 0) throw invalid(`${what}: descriptor without a size`);
  if (annotations != null && !isStringMap(annotations)) throw invalid(`${what}: annotations must be strings`);
  return {
    mediaType: value['mediaType'],
    digest,
    size: size as number,
    ...(annotations ? { annotations } : {}),
    ...parsePlatformField(platform, what),
  };
}

function parsePlatformField(value: unknown, what: string): { platform?: Platform } {
  if (value == null) return {};
  if (!isObject(value) || typeof value['os'] !== 'string' || typeof value['architecture'] !== 'string') {
    throw invalid(`${what}: platform must name an os and an architecture`);
  }
  const variant = value['variant'];
  return {
    platform: {
      os: value['os'],
      architecture: value['architecture'],
      ...(typeof variant === 'string' && variant ? { variant } : {}),
    },
  };
}
