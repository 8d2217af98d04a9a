import type { StatusResponse } from '../../generated/rpc/moby/buildkit/v1/StatusResponse.js';
import { statusResponseMessage } from './protocol.js';

/** Of a build that tells more, the beginning is kept. */
const maximumBytes = 4 * 1024 * 1024;
const headerBytes = 4;

/** What a build told, in the form in which BuildKit keeps it: messages, each behind its length. */
export function encodeLog(status: readonly StatusResponse[]): Buffer {
  const parts: Buffer[] = [];
  let size = 0;
  for (const response of status) {
    const message = statusResponseMessage.serialize(response);
    size += headerBytes + message.length;
    if (size > maximumBytes) break;
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32LE(message.length);
    parts.push(header, message);
  }
  return Buffer.concat(parts);
}

export function decodeLog(log: Buffer): StatusResponse[] {
  const status: StatusResponse[] = [];
  for (let position = 0; position + headerBytes <= log.length;) {
    const end = position + headerBytes + log.readUInt32LE(position);
    status.push(statusResponseMessage.deserialize(log.subarray(position + headerBytes, end)));
    position = end;
  }
  return status;
}
