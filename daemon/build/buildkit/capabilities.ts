import type { ApiCap } from '../../generated/rpc/moby/buildkit/v1/apicaps/ApiCap.js';
import type { PongResponse } from '../../generated/rpc/moby/buildkit/v1/frontend/PongResponse.js';
import type { WorkerRecord } from '../../generated/rpc/moby/buildkit/v1/types/WorkerRecord.js';

const frontend = [
  'frontend.caps',
  'frontend.inputs',
  'gateway.evaluate',
  'gateway.solve.evaluate',
  'gateway.solve.metadata',
  'gateway.warnings',
  'importcaches',
  'proto.refarray',
  'readdir',
  'readfile',
  'reference.output',
  'resolveimage',
  'resolveimage.resolvemode',
  'return',
  'returnmap',
  'solve.base',
  'statfile',
];

const graph = [
  'source.http',
  'source.http.checksum',
  'exporter.multiple',
  'meta.description',
  'platform',
  'constraints',
  'history.filter',
];

/** What clients look for before they ask for it. */
export function capabilities(worker: WorkerRecord): PongResponse {
  return { frontendApiCaps: frontend.map(enabled), llbCaps: graph.map(enabled), workers: [worker] };
}

const enabled = (id: string): ApiCap => ({ id, enabled: true });
