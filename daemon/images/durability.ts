import { readFileSync } from 'node:fs';
import type { Addon } from '../runtime/addon.js';
import type { ImageStore } from '../store/images.js';
import type { Digest } from './digest.js';

const currentBoot = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

/**
 * Knows what of the store may not survive a power loss. To wait for the disk would double the time of a pull; so what is
 * new is marked, in the transaction that makes it visible, until the file system has been synced behind it. What is
 * still marked after another boot cannot be trusted.
 */
export class Durability {
  #syncing: Promise<void> | undefined;

  constructor(
    readonly store: ImageStore,
    readonly addon: Addon,
    readonly directory: string,
    readonly boot: string = currentBoot(),
  ) {}

  /** Marks a blob or layer; to be called inside the transaction that inserts its row. */
  mark(digest: Digest): void {
    this.store.markUnsynced(digest, this.boot);
  }

  /** Syncs in the background what is marked by now. What fails stays marked, and is tried again with the next. */
  sync(): Promise<void> {
    this.#syncing ??= this.#sync().finally(() => (this.#syncing = undefined));
    return this.#syncing;
  }

  /** Blobs and layers that another boot left marked. */
  doubtful(): Digest[] {
    return this.store.unsyncedOfOtherBoots(this.boot);
  }

  async #sync(): Promise<void> {
    for (let ids = this.store.unsynced(this.boot); ids.length > 0; ids = this.store.unsynced(this.boot)) {
      await this.addon.syncFileSystem(this.directory);
      this.store.clearUnsynced(ids);
    }
  }
}
