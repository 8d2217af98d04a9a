import type { Writable } from 'node:stream';

/** What becomes of the result. With `byPlatform` the files are in a directory named after the platform. */
export type BuildExport =
  /** Into the image store; without names it is there by its id alone. */
  | { kind: 'image'; names: readonly string[] }
  /** The root file system as one tar stream. */
  | { kind: 'tar'; byPlatform: boolean; open: () => Promise<Writable> }
  /** The root file system as a directory, which is gone once `receive` is done. */
  | { kind: 'local'; byPlatform: boolean; receive: (directory: string) => Promise<void> }
  /** The image as an archive: an OCI layout, or one that `docker load` takes. */
  | { kind: 'oci' | 'docker'; names: readonly string[]; open: () => Promise<Writable> };
