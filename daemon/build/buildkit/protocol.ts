import { join } from 'node:path';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import type { ContentDefinition } from '../../generated/rpc/containerd/services/content/v1/Content.js';
import type { Status, Status__Output } from '../../generated/rpc/google/rpc/Status.js';
import type { HealthDefinition } from '../../generated/rpc/grpc/health/v1/Health.js';
import type { SecretsDefinition } from '../../generated/rpc/moby/buildkit/secrets/v1/Secrets.js';
import type { ControlDefinition } from '../../generated/rpc/moby/buildkit/v1/Control.js';
import type { StatusResponse, StatusResponse__Output } from '../../generated/rpc/moby/buildkit/v1/StatusResponse.js';
import type { LLBBridgeDefinition } from '../../generated/rpc/moby/buildkit/v1/frontend/LLBBridge.js';
import type { AuthDefinition } from '../../generated/rpc/moby/filesync/v1/Auth.js';
import type { FileSendDefinition } from '../../generated/rpc/moby/filesync/v1/FileSend.js';
import type { FileSyncDefinition } from '../../generated/rpc/moby/filesync/v1/FileSync.js';
import type { SSHDefinition } from '../../generated/rpc/moby/sshforward/v1/SSH.js';
import type { UploadDefinition } from '../../generated/rpc/moby/upload/v1/Upload.js';
import type { Op, Op__Output } from '../../generated/rpc/pb/Op.js';

/** As seen from a compiled daemon. */
const directory = join(import.meta.dirname, '..', '..', '..', '..', 'api-spec', 'buildkit');
const files = ['content', 'control', 'filesync', 'gateway', 'health', 'secrets', 'sshforward', 'upload'];

// scripts/generate-rpc-types has the same options: its types are what is decoded here.
const definitions = loadSync(
  files.map((name) => `${name}.proto`),
  { includeDirs: [directory], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true },
);

/** The service or message of this name, with the type that was generated for it. */
function definition<Type>(name: string): Type {
  const found = definitions[name];
  if (!found) throw new Error(`${directory} does not define ${name}`);
  return found as Type;
}

// What the daemon serves.
export const controlService = definition<ControlDefinition>('moby.buildkit.v1.Control');
export const gatewayService = definition<LLBBridgeDefinition>('moby.buildkit.v1.frontend.LLBBridge');
export const contentService = definition<ContentDefinition>('containerd.services.content.v1.Content');
export const healthService = definition<HealthDefinition>('grpc.health.v1.Health');

// What a client serves, over its session.
export const fileSyncService = definition<FileSyncDefinition>('moby.filesync.v1.FileSync');
export const fileSendService = definition<FileSendDefinition>('moby.filesync.v1.FileSend');
export const authService = definition<AuthDefinition>('moby.filesync.v1.Auth');
export const uploadService = definition<UploadDefinition>('moby.upload.v1.Upload');
export const secretsService = definition<SecretsDefinition>('moby.buildkit.secrets.v1.Secrets');
export const agentService = definition<SSHDefinition>('moby.sshforward.v1.SSH');

export const statusMessage = definition<MessageTypeDefinition<Status, Status__Output>>('google.rpc.Status');
export const statusResponseMessage = definition<MessageTypeDefinition<StatusResponse, StatusResponse__Output>>(
  'moby.buildkit.v1.StatusResponse',
);
export const opMessage = definition<MessageTypeDefinition<Op, Op__Output>>('pb.Op');
