import type { Digest } from './digest.js';
import type { AvailableBlob, Staging } from './staging.js';

/** A layer that was made here: its blob, and the tree that the blob was packed from. */
export interface MadeLayer {
  chainId: Digest;
  blob: AvailableBlob;
  directory: string;
  /** Of file content. */
  bytes: number;
}

/**
 * Puts a layer into the store and moves its files into place; one that is there stays as it is. It is pinned for the rest of
 * the operation. Synchronous, in one transaction with `andThen`, which is to give it a reason to stay.
 */
export function publishLayer(staging: Staging, layer: MadeLayer, andThen: () => void): void {
  const { store, directories, durability } = staging.content;
  const { blob, chainId } = layer;
  staging.pin(blob.digest);
  staging.pin(chainId);
  store.transaction(() => {
    if (!store.blob(blob.digest)) {
      staging.content.place(blob.path, directories.blob(blob.digest));
      durability.mark(blob.digest);
      store.insertBlob({ digest: blob.digest, size: blob.size, diff_id: blob.diffId });
    }
    if (!store.layer(chainId)) {
      staging.content.place(layer.directory, directories.layer(chainId));
      durability.mark(chainId);
      store.insertLayer({ chain_id: chainId, diff_id: blob.diffId, size: layer.bytes });
    }
    andThen();
  });
}
