import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { hexOf, type Digest } from './digest.js';

/** Where images lie below the data root; see docs/architecture.md, "Directories". */
export class ImageDirectories {
  readonly blobs: string;
  readonly layers: string;
  readonly initLayers: string;
  readonly temporary: string;

  constructor(dataRoot: string) {
    this.blobs = join(dataRoot, 'blobs', 'sha256');
    this.layers = join(dataRoot, 'layers');
    this.initLayers = join(dataRoot, 'init-layers');
    // A directory of its own: everything in it is garbage when the daemon starts.
    this.temporary = join(dataRoot, 'tmp', 'images');
  }

  create(): void {
    for (const path of [this.blobs, this.layers, this.initLayers, this.temporary]) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
    }
  }

  blob(digest: Digest): string {
    return join(this.blobs, hexOf(digest));
  }

  layer(chainId: Digest): string {
    return join(this.layers, hexOf(chainId));
  }

  initLayer(imageId: Digest): string {
    return join(this.initLayers, hexOf(imageId));
  }

  /** A path that nothing else uses; nothing is created. */
  newTemporary(): string {
    return join(this.temporary, randomBytes(8).toString('hex'));
  }
}
