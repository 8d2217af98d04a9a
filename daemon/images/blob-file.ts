import type { ReceivedBlob } from '../runtime/addon.js';
import type { Digest } from './digest.js';

/** What became known of a blob while it was written. */
export interface BlobFile {
  path: string;
  digest: Digest;
  size: number;
  compression: ReceivedBlob['compression'];
  /** Digest of the uncompressed bytes; "" when they cannot be had (bzip2, xz). */
  diffId: Digest;
  /** The first bytes, enough to tell a tar archive from a JSON document. */
  start: Uint8Array;
}
