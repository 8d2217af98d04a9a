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
  'registry.insecure': 'false',
  load: 'true',
  unpack: 'true',
  store: 'true',
  'oci-mediatypes': 'false',
  buildinfo: 'false',
  'platform-split': 'false',
  tar: 'true',
  'rewrite-timestamp': 'false',
  'force-compression': 'false',
};
/** Where either value comes to the same: what is built is always in the image store, and unpacked there. */
const indifferent = new Set(['load', 'unpack', 'store', 'registry.insecure', 'attestation-inline']);

/** @throws GantryError for an output, or an attribute of one, that is not supported */
export function buildExport(
  { type, attributes }: WantedOutput,
  index: number,
  session: () => ClientSession,
  signal: AbortSignal,
): BuildExport {
  for (const [name, value] of Object.entries(attributes)) checkAttribute(type, name, value);
  const open = (): Promise<ReturnType<typeof openOutput>> =>
    Promise.resolve(
      openOutput(session().rpc, fileSendService.DiffCopy, { 'buildkit-attachable-exporter-id': String(index) }),
    );
  switch (type) {
    case 'moby':
    case 'image':
      return { kind: 'image', names: namesOf(attributes) };
    case 'tar':
      return { kind: 'tar', open };
    case 'oci':
    case 'docker':
      return { kind: type, names: namesOf(attributes), open };
    case 'local':
      return {
        kind: 'local',
        receive: (directory) => sendDirectory(session(), index, directory, () => undefined, signal),
      };
    default:
      throw unsupported(`the output type "${type}" is not supported by Gantry`);
  }
}

function checkAttribute(type: string, name: string, value: string): void {
  if (name === 'name' || name === 'dest' || indifferent.has(name)) return;
  const only = fixed[name];
  if (only === undefined)
    throw unsupported(`the attribute "${name}" of the output "${type}" is not supported by Gantry`);
  if (value !== '' && value !== only)
    throw unsupported(`${name}=${value} of the output "${type}" is not supported by Gantry`);
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
