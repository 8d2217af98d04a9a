import type { ApiVersion } from './version.js';

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';

/** The media type of a container's output: frames (without a terminal) have one of their own since API 1.42. */
export function streamContentType(version: ApiVersion, multiplexed: boolean): string {
  return multiplexed && version.atLeast('1.42') ? MULTIPLEXED_STREAM : RAW_STREAM;
}
