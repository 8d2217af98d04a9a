import { invalid, unsupported } from '../../errors.js';
import type { SolveRequest__Output } from '../../generated/rpc/moby/buildkit/v1/SolveRequest.js';
import { parseReference } from '../../images/reference.js';
import type { BuildExport } from '../build-export.js';
import { openOutput } from './client-services.js';
import { sendDirectory } from './file-sender.js';
import { fileSendService } from './protocol.js';
import type { ClientSession } from './sessions.js';

/** One of the outputs that a client asks for. */
export interface WantedOutput {
  type: string;
  attributes: Readonly<Record<string, string>>;
}

/** In either of the two ways in which clients name them. */
export function wantedOutputs(request: SolveRequest__Output): WantedOutput[] {
  if (request.exporters.length > 0) return request.exporters;
  if (request.exporter === '') return [];
  return [{ type: request.exporter, attributes: request.exporterAttributes }];
}

/** Attributes whose default is what happens here, with that default. */
const fixed: Readonly<Record<string, string>> = {
  push: 'false',
  'push-by-digest': 'false',
  'oci-mediatypes': 'false',
  buildinfo: 'false',
  tar: 'true',
  mode: 'copy',
  'force-compression': 'false',
};
/**
 * Where either value comes to the same: what is built is always in the image store, and unpacked there; no file is younger
 * than SOURCE_DATE_EPOCH.
 */
const indifferent = new Set([
  'load',
  'unpack',
  'store',
  'registry.insecure',
  'attestation-inline',
  'rewrite-timestamp',
]);
/** What Docker's image store has no place for: its images have no manifest until they are pushed. */
const withoutEffect =
  /^(?:compression|compression-level|force-compression|oci-mediatypes|oci-artifact|annotation(?:-[\w-]+)?(?:\[[^\]]*\])?\..+)$/;

/**
 * @param warn told of what the output cannot have, and has no need of
 * @throws GantryError for an output, or an attribute of one, that is not supported
 */
export function buildExport(
  { type, attributes }: WantedOutput,
  index: number,
  session: () => ClientSession,
  warn: (message: string) => void,
  signal: AbortSignal,
): BuildExport {
  for (const [name, value] of Object.entries(attributes)) checkAttribute(type, name, value, warn);
  const byPlatform = /^(?:true|1)$/.test(attributes['platform-split'] ?? '');
  const open = (): Promise<ReturnType<typeof openOutput>> =>
    Promise.resolve(
      openOutput(session().rpc, fileSendService.DiffCopy, { 'buildkit-attachable-exporter-id': String(index) }),
    );
  switch (type) {
    case 'moby':
    case 'image':
      return { kind: 'image', names: namesOf(attributes) };
    case 'tar':
      return { kind: 'tar', byPlatform, open };
    case 'oci':
    case 'docker':
      return { kind: type, names: namesOf(attributes), open };
    case 'local':
      return {
        kind: 'local',
        byPlatform,
        receive: (directory) => sendDirectory(session(), index, directory, () => undefined, signal),
      };
    default:
      throw unsupported(`the output type "${type}" is not supported by Gantry`);
  }
}

function checkAttribute(type: string, name: string, value: string, warn: (message: string) => void): void {
  if (name === 'name' || name === 'dest' || indifferent.has(name)) return;
  if (name === 'platform-split' && (type === 'local' || type === 'tar')) return;
  // Whoever asks for an image of Docker's store pushes it afterwards, as any other, through the API.
  if (type === 'moby' && name === 'push') return;
  const only = fixed[name];
  if (value === only) return;
  if (type === 'moby' && withoutEffect.test(name)) {
    warn(`${name}=${value} has no effect: the image store has uncompressed layers, and no manifests to annotate`);
    return;
  }
  if (only === undefined)
    throw unsupported(`the attribute "${name}" of the output "${type}" is not supported by Gantry`);
  if (value !== '') throw unsupported(`${name}=${value} of the output "${type}" is not supported by Gantry`);
}

function namesOf({ name = '' }: Readonly<Record<string, string>>): string[] {
  return name.split(',').filter((one) => one !== '');
}

/** What the client is told of an image. */
export function imageResponse(outputs: readonly WantedOutput[], id: string): Record<string, string> {
  const images = outputs.filter(({ type }) => type === 'moby' || type === 'image');
  if (images.length === 0) return {};
  const names = images.flatMap(({ attributes }) => namesOf(attributes)).map(canonicalName);
  return {
    'containerimage.digest': id,
    'containerimage.config.digest': id,
    ...(names.length > 0 && { 'image.name': names.join(',') }),
  };
}

/** With its registry, as it was given apart from that. */
function canonicalName(name: string): string {
  try {
    const { repository, tag } = parseReference(name);
    return tag === undefined ? repository : `${repository}:${tag}`;
  } catch {
    throw invalid(`invalid image name: ${name}`);
  }
}
