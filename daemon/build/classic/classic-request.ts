import type { IncomingHttpHeaders } from 'node:http';
import type { Schemas } from '../../api.js';
import type { Requests } from '../../generated/operations.js';
import { parseDockerfile } from '../../dockerfile/parse.js';
import { invalid, unsupported } from '../../errors.js';
import { credentialsFor } from '../../images/registry/credentials.js';
import type { BuildContext } from '../build-context.js';
import { noAgents, noSecrets, type BuildRequest, type RunOptions } from '../build-request.js';

type Query = Requests['ImageBuild']['query'];

/** What POST /build asks for, once its context is here. */
export function classicRequest(
  query: Query,
  headers: IncomingHttpHeaders,
  source: { context: BuildContext; dockerfile: string; dockerfileName: string },
  signal: AbortSignal,
): BuildRequest {
  return {
    ...source,
    dockerfile: parseDockerfile(source.dockerfile),
    target: query.target,
    buildArgs: stringMap(query.buildargs, 'buildargs'),
    labels: stringMap(query.labels, 'labels'),
    platform: query.platform || undefined,
    namedContexts: new Map(),
    secrets: noSecrets,
    agents: noAgents,
    credentials: (registry) => Promise.resolve(credentialsFor(headers, registry)),
    noCache: query.nocache,
    pull: isOn(query.pull),
    cacheFrom: stringList(query.cachefrom, 'cachefrom'),
    inlineCache: false,
    run: runOptions(query),
    // The classic API has no way to ask, and has always let a RUN use the host's network.
    entitlements: new Set(['network.host']),
    squash: query.squash ?? false,
    exports: [{ kind: 'image', names: query.t?.filter((name) => name !== '') ?? [] }],
    signal,
  };
}

/** @throws GantryError unsupported, naming the parameter that is not served */
export function refuseUnsupported(query: Query): void {
  const refuse = (present: unknown, name: string, reason: string): void => {
    if (present) throw unsupported(`${name} is not supported by POST /build: ${reason}`);
  };
  refuse(query.version === '2', 'version=2', 'build with BuildKit over POST /grpc');
  if (query.version !== '1' && query.version !== '2') throw invalid(`invalid version ${query.version}`);
  refuse(query.outputs, 'outputs', 'it belongs to BuildKit; use docker save or docker cp');
  refuse(query.session, 'session', 'it belongs to BuildKit');
  const { isolation = '' } = query;
  refuse(isolation !== '' && isolation !== 'default', `isolation "${isolation}"`, 'Linux has only "default"');
}

function runOptions(query: Query): RunOptions {
  return {
    network: query.networkmode || 'default',
    extraHosts: query.extrahosts ?? [],
    shmSize: query.shmsize ?? 0,
    ulimits: ulimits(query.ulimits),
    cgroupParent: query.cgroupparent ?? '',
    memory: query.memory ?? 0,
    memorySwap: query.memswap ?? 0,
    cpuShares: query.cpushares ?? 0,
    cpuPeriod: query.cpuperiod ?? 0,
    cpuQuota: query.cpuquota ?? 0,
    cpusetCpus: query.cpusetcpus ?? '',
    cpusetMems: query.cpusetmems ?? '',
    securityOptions: stringList(query.securityopt, 'securityopt'),
  };
}

/** "1", "true" and, as any other text that is not a clear no, "pull". */
const isOn = (text: string | undefined): boolean =>
  !['', '0', 'no', 'false', 'none'].includes((text ?? '').toLowerCase());

function decode(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`error reading ${name}: it is not JSON`, error);
  }
}

/** A JSON object of texts. Null means that the value is not set. */
function stringMap(text: string | undefined, name: string): Record<string, string> {
  if (!text) return {};
  const value = decode(text, name) ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid(`error reading ${name}: it must be an object`);
  const entries = Object.entries(value).filter(([, each]) => each !== null);
  if (entries.some(([, each]) => typeof each !== 'string'))
    throw invalid(`error reading ${name}: values must be texts`);
  return Object.fromEntries(entries);
}

function stringList(text: string | undefined, name: string): string[] {
  if (!text) return [];
  const value = decode(text, name) ?? [];
  if (!Array.isArray(value) || value.some((each) => typeof each !== 'string')) {
    throw invalid(`error reading ${name}: it must be a list of texts`);
  }
  return value as string[];
}

function ulimits(text: string | undefined): RunOptions['ulimits'] {
  if (!text) return [];
  const value = decode(text, 'ulimits') ?? [];
  const isLimit = (each: unknown): each is Required<NonNullable<Schemas['Resources']['Ulimits']>[number]> => {
    const { Name, Soft, Hard } = (each ?? {}) as Record<string, unknown>;
    return typeof Name === 'string' && Number.isSafeInteger(Soft) && Number.isSafeInteger(Hard);
  };
  if (!Array.isArray(value) || !value.every(isLimit))
    throw invalid('error reading ulimits: Name, Soft and Hard are needed');
  return value.map(({ Name, Soft, Hard }) => ({ Name, Soft, Hard }));
}
