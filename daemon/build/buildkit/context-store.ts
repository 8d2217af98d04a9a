import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Addon } from '../../runtime/addon.js';
import type { BuildContextRow, BuildContextStore } from '../../store/build-contexts.js';
import type { ContextTree } from '../build-context.js';
import { untilAborted } from '../../until-aborted.js';
import type { Owner } from '../../userns/id-mapping.js';
import { ContextTreeUpdate, type TreeIndex } from './context-tree.js';
import type { TransferTarget } from './file-transfer.js';
import { decodeIndex, encodeIndex } from './tree-index.js';

/** What is kept of contexts for later builds, at most. */
export interface RetentionLimits {
  bytes: number;
  milliseconds: number;
}

const defaultRetention: RetentionLimits = { bytes: 4 * 1024 ** 3, milliseconds: 7 * 24 * 3600 * 1000 };

/** Whose files they are. */
export interface ContextOrigin {
  /** The connection that they come by: builds of one connection share what is the same. */
  session: string;
  /** The same for the same directory of the same client; "" for a client that does not say. */
  sharedKey: string;
  /** As the client calls it: "context". */
  directory: string;
  /** What of it is read. */
  selection: string;
}

/** Makes the files come, all that there are. */
export type Transfer = (target: TransferTarget, signal: AbortSignal) => Promise<void>;

/** A tree that builds read, or that is being brought up to date. */
interface OpenTree {
  directory: Promise<string>;
  users: number;
  /** Gives the tree back to the store. */
  close: () => Promise<void>;
}

/**
 * The files of clients on the disk. A tree is kept when its build is over, so that the next one of the same directory only
 * sends what has changed.
 */
export class ContextStore {
  /** By session and what is read of it: builds of one client share a tree. */
  readonly #open = new Map<string, OpenTree>();
  readonly #busy = new Set<string>();
  readonly #directory: string;

  constructor(
    dataRoot: string,
    readonly addon: Pick<Addon, 'openTree' | 'removeTree'>,
    /** Root of the steps that see the files. */
    readonly owner: Owner,
    readonly rows: BuildContextStore,
    readonly retention = defaultRetention,
    readonly boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
  ) {
    this.#directory = join(dataRoot, 'build', 'contexts');
  }

  /** At start: whatever has no row, or may have been torn by a power loss. */
  async collectGarbage(): Promise<void> {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    for (const row of this.rows.all()) if (row.boot !== this.boot) this.rows.delete(row.id);
    const kept = new Set(this.rows.all().map(({ id }) => id));
    const left = readdirSync(this.#directory).filter((name) => !kept.has(name));
    await Promise.all(left.map((name) => this.addon.removeTree(join(this.#directory, name))));
  }

  /** Brings files of a client to the disk. */
  async open(origin: ContextOrigin, transfer: Transfer, signal: AbortSignal): Promise<ContextTree> {
    const key = JSON.stringify([origin.session, origin.directory, origin.selection]);
    const tree = this.#open.get(key) ?? this.#begin(key, origin, transfer);
    tree.users++;
    try {
      const directory = await untilAborted(tree.directory, signal);
      return { directory, release: once(() => this.#leave(key, tree)) };
    } catch (error) {
      await this.#leave(key, tree);
      throw error;
    }
  }

  /** A step that is not root sees it, too; on the host nobody gets as far as this. */
  async #makeTree(id: string): Promise<void> {
    const directory = this.#tree(id);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chown(directory, this.owner.uid, this.owner.gid);
    await chmod(directory, 0o755);
  }

  #begin(key: string, origin: ContextOrigin, transfer: Transfer): OpenTree {
    const stop = new AbortController();
    const transferred = this.#transfer(origin, transfer, stop.signal);
    const directory = transferred.then((row) => this.#tree(row.id));
    directory.catch(() => undefined);
    const close = async (): Promise<void> => {
      stop.abort();
      const row = await transferred.catch(() => undefined);
      if (row) await this.#close(row, origin.sharedKey !== '');
    };
    const tree = { directory, users: 0, close };
    this.#open.set(key, tree);
    return tree;
  }

  async #leave(key: string, tree: OpenTree): Promise<void> {
    if (--tree.users > 0) return;
    if (this.#open.get(key) === tree) this.#open.delete(key);
    await tree.close();
  }

  async #transfer(
    { directory, sharedKey }: ContextOrigin,
    transfer: Transfer,
    signal: AbortSignal,
  ): Promise<BuildContextRow> {
    const key = JSON.stringify([directory, sharedKey]);
    const before = sharedKey === '' ? undefined : this.#free(key);
    const row = before ?? this.#newRow(key, directory);
    this.#busy.add(row.id);
    try {
      await this.#update(row, before !== undefined, transfer, signal);
      return row;
    } catch (error) {
      await this.#discard(row.id);
      throw error;
    }
  }

  #free(key: string): BuildContextRow | undefined {
    return this.rows.all().findLast((row) => row.key === key && !this.#busy.has(row.id));
  }

  #newRow(key: string, name: string): BuildContextRow {
    const now = Date.now();
    const id = randomBytes(12).toString('hex');
    return { id, key, name, boot: this.boot, size: 0, created: now, last_used: now, uses: 0 };
  }

  async #update(row: BuildContextRow, isThere: boolean, transfer: Transfer, signal: AbortSignal): Promise<void> {
    const known = isThere ? await this.#readIndex(row.id) : undefined;
    if (!known) await this.#makeTree(row.id);
    const update = new ContextTreeUpdate(
      this.addon.openTree(this.#tree(row.id), this.owner.uid, this.owner.gid),
      known ?? new Map<never, never>(),
    );
    // From the first change on the tree is not what its index says, whatever happens.
    update.onChange = () => this.rows.delete(row.id);
    try {
      await transfer(update, signal);
      update.finish();
    } finally {
      update.abandon();
    }
    if (update.changed || !known) await writeFile(this.#index(row.id), encodeIndex(update.index), { mode: 0o600 });
    row.size = sizeOf(update.index);
    row.last_used = Date.now();
    row.uses++;
  }

  /** Undefined for a tree that is not worth its row: it begins anew. */
  async #readIndex(id: string): Promise<TreeIndex | undefined> {
    try {
      return decodeIndex(readFileSync(this.#index(id)));
    } catch {
      await this.addon.removeTree(join(this.#directory, id));
      return undefined;
    }
  }

  async #close(row: BuildContextRow, keep: boolean): Promise<void> {
    if (!keep) return this.#discard(row.id);
    this.rows.save(row);
    this.#busy.delete(row.id);
    await this.#expire();
  }

  async #discard(id: string): Promise<void> {
    this.rows.delete(id);
    await this.addon.removeTree(join(this.#directory, id));
    this.#busy.delete(id);
  }

  /** Removes what has not been used for long, and then more until the rest is small enough. */
  async #expire(): Promise<void> {
    const idle = this.rows.all().filter(({ id }) => !this.#busy.has(id));
    let bytes = idle.reduce((sum, { size }) => sum + size, 0);
    for (const { id, size, last_used } of idle) {
      if (bytes <= this.retention.bytes && Date.now() - last_used <= this.retention.milliseconds) continue;
      bytes -= size;
      await this.#discard(id);
    }
  }

  /** What is kept, those in use included. */
  list(): (BuildContextRow & { inUse: boolean })[] {
    return this.rows.all().map((row) => ({ ...row, inUse: this.#busy.has(row.id) }));
  }

  /** Removes one that nothing uses. @returns whether it did */
  async remove(id: string): Promise<boolean> {
    if (this.#busy.has(id)) return false;
    this.#busy.add(id);
    await this.#discard(id);
    return true;
  }

  #tree(id: string): string {
    return join(this.#directory, id, 'tree');
  }

  #index(id: string): string {
    return join(this.#directory, id, 'index.json');
  }
}

function sizeOf(index: TreeIndex): number {
  let size = 0;
  for (const stat of index.values()) size += stat.link === '' ? stat.size : 0;
  return size;
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}
