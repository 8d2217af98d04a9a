import { invalid } from '../errors.js';
import { isDigest, type Digest } from './digest.js';
import { isObject, isStringArray, isStringMap, parseObject, type JsonObject } from './json-document.js';
import { hostPlatform, type Platform } from './platform.js';

export interface HealthConfig {
  Test?: string[];
  /** Nanoseconds, as the other durations here. */
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

/** What an image says about the containers made from it: `config` of the OCI image configuration. */
export interface ImageConfig {
  User?: string | null;
  ExposedPorts?: Record<string, object> | null;
  Env?: string[] | null;
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  Volumes?: Record<string, object> | null;
  WorkingDir?: string | null;
  Labels?: Record<string, string> | null;
  StopSignal?: string | null;
  Healthcheck?: HealthConfig | null;
  OnBuild?: string[] | null;
  Shell?: string[] | null;
  ArgsEscaped?: boolean | null;
}

export interface HistoryEntry {
  created?: string;
  created_by?: string;
  author?: string;
  comment?: string;
  empty_layer?: boolean;
}

/** An OCI image configuration (config.md of the image specification), with Docker's additions. Its digest is the image's id. */
export interface ImageDocument {
  architecture: string;
  os: string;
  variant?: string;
  'os.version'?: string;
  created?: string;
  author?: string;
  comment?: string;
  container?: string;
  docker_version?: string;
  config?: ImageConfig | null;
  container_config?: JsonObject | null;
  history?: HistoryEntry[] | null;
  rootfs: { type: 'layers'; diff_ids: Digest[] | null };
}

/** What the kernel can put on top of each other in one overlay, with the container's own layer. */
const maxLayers = 499;

type Check = (value: unknown) => boolean;
const isString: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number' && Number.isSafeInteger(value);
const isObjectMap: Check = (value) => isObject(value) && Object.values(value).every(isObject);

const configFields: Readonly<Record<string, Check>> = {
  User: isString,
  ExposedPorts: isObjectMap,
  Env: isStringArray,
  Entrypoint: isStringArray,
  Cmd: isStringArray,
  Volumes: isObjectMap,
  WorkingDir: isString,
  Labels: isStringMap,
  StopSignal: isString,
  OnBuild: isStringArray,
  Shell: isStringArray,
  Healthcheck: isHealthcheck,
};
const documentFields: Readonly<Record<string, Check>> = {
  architecture: isString,
  os: isString,
  variant: isString,
  'os.version': isString,
  created: isString,
  author: isString,
  comment: isString,
  container: isString,
  docker_version: isString,
  config: isObject,
  container_config: isObject,
  history: isHistory,
};

/**
 * Reads an image configuration from outside and checks every field that is used later.
 *
 * @throws GantryError invalid, naming the field
 */
export function parseImageDocument(content: Uint8Array): ImageDocument {
  const document = parseObject(content, 'image configuration');
  checkFields(document, documentFields, '');
  if (isObject(document['config'])) checkFields(document['config'], configFields, 'config.');
  const rootfs = document['rootfs'];
  if (!isObject(rootfs) || rootfs['type'] !== 'layers') {
    throw invalid('image configuration: rootfs.type must be "layers"');
  }
  const diffIds = rootfs['diff_ids'] ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest)) {
    throw invalid('image configuration: rootfs.diff_ids must be a list of sha256 digests');
  }
  if (diffIds.length > maxLayers) throw invalid(`image has ${diffIds.length} layers, at most ${maxLayers} can be used`);
  const os = document['os'] ?? 'linux';
  if (os !== 'linux') throw invalid(`cannot load ${os as string} image on linux`);
  return { ...document, os, architecture: document['architecture'] ?? hostPlatform.architecture } as ImageDocument;
}

export const diffIdsOf = (document: ImageDocument): Digest[] => document.rootfs.diff_ids ?? [];

export function platformOf(document: ImageDocument): Platform {
  const { os, architecture, variant } = document;
  return { os, architecture, ...(variant ? { variant } : {}) };
}

/** Milliseconds since the epoch; 0 when the image does not say, or says it illegibly. */
export function createdTime(document: ImageDocument): number {
  const time = Date.parse(document.created ?? '');
  return Number.isNaN(time) ? 0 : time;
}

/** A config given by a client over the API, where the schema has checked types already. */
export function checkImageConfig(config: JsonObject): ImageConfig {
  checkFields(config, configFields, 'config.');
  return config;
}

function checkFields(object: JsonObject, fields: Readonly<Record<string, Check>>, prefix: string): void {
  for (const [field, check] of Object.entries(fields)) {
    const value = object[field];
    if (value != null && !check(value)) throw invalid(`image configuration: ${prefix}${field} has the wrong type`);
  }
}

function isHealthcheck(value: unknown): boolean {
  if (!isObject(value)) return false;
  const numbers = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'];
  return (
    (value['Test'] == null || isStringArray(value['Test'])) &&
    numbers.every((n) => value[n] == null || isNumber(value[n]))
  );
}

function isHistory(value: unknown): boolean {
  const texts = ['created', 'created_by', 'author', 'comment'];
  return (
    Array.isArray(value) &&
    value.every(
      (entry) =>
        isObject(entry) &&
        texts.every((field) => entry[field] == null || isString(entry[field])) &&
        (entry['empty_layer'] == null || typeof entry['empty_layer'] === 'boolean'),
    )
  );
}
