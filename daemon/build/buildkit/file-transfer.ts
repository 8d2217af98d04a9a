import { invalid } from '../../errors.js';
import { isDirectory } from './file-types.js';
import { decodePacket, type FileStat, finPacket, packetType, requestPacket } from './packets.js';
import { fileSyncService } from './protocol.js';
import type { CallMetadata, RpcCall } from './rpc-client.js';
import type { ClientSession } from './sessions.js';

/** What is read of a client's directories. */
export interface TransferOptions {
  /** As the client calls it: "context", "dockerfile". */
  directory: string;
  /** With what lies below; where one leads through symbolic links, what they point at, too. Everything when empty. */
  followPaths: readonly string[];
  /** As in .dockerignore. */
  excludes: readonly string[];
}

/** What becomes of the files that come. */
export interface TransferTarget {
  /** @returns whether the content is wanted, of a regular file that is no hard link */
  stat(stat: FileStat): boolean;
  /** All files are known; some of the contents may have come already. */
  allKnown(): void;
  /** The next piece of a file. */
  content(stat: FileStat, data: Uint8Array): void;
  contentEnd(stat: FileStat): void;
}

/** What one transfer may bring. */
export interface TransferLimits {
  entries: number;
  bytes: number;
}

/** Told now and then: the bytes that came over the wire. */
export type TransferProgress = (bytes: number) => void;

/** So many files at most may have begun and not ended: the content of each is kept until there is more of it. */
const maximumOpenFiles = 1024;

/** Reads files of a client: what they are of all, and the contents of those that are wanted. */
export async function transferFiles(
  session: ClientSession,
  options: TransferOptions,
  target: TransferTarget,
  limits: TransferLimits,
  progress: TransferProgress,
  signal: AbortSignal,
): Promise<void> {
  if (!session.supports(fileSyncService.DiffCopy)) throw invalid('the client of this build does not offer its files');
  const transfer = new FileTransfer(target, limits, progress);
  const call = session.rpc.open(fileSyncService.DiffCopy, { metadata: transferMetadata(options), signal }, (message) =>
    transfer.receive(message),
  );
  transfer.begin(call);
  await call.finished;
  transfer.requireComplete();
}

function transferMetadata({ directory, followPaths, excludes }: TransferOptions): CallMetadata {
  return {
    'dir-name': directory,
    ...encoded('followpaths', followPaths),
    ...encoded('exclude-patterns', excludes),
  };
}

/** Headers are ASCII: anything else is escaped, and said to be. */
function encoded(name: string, values: readonly string[]): CallMetadata {
  if (values.length === 0) return {};
  // Spaces at the ends and empty values do not survive in a header either.
  if (values.every((value) => /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value))) return { [name]: values };
  return { [name]: values.map(encodeURIComponent), [`${name}-encoded`]: '1' };
}

class FileTransfer {
  #call: RpcCall | undefined;
  readonly #seen = new Map<string, number>();
  readonly #wanted = new Map<number, FileStat>();
  readonly #open = new Set<number>();
  #next = 0;
  #wireBytes = 0;
  #contentBytes = 0;
  #allKnown = false;
  #finished = false;

  constructor(
    readonly target: TransferTarget,
    readonly limits: TransferLimits,
    readonly progress: TransferProgress,
  ) {}

  begin(call: RpcCall): void {
    this.#call = call;
  }

  receive(message: Buffer): void {
    this.#wireBytes += message.length;
    const packet = decodePacket(message);
    switch (packet.type) {
      case packetType.stat:
        if (packet.stat) this.#stat(packet.stat);
        else this.#lastStat();
        break;
      case packetType.data:
        this.#data(packet.id, packet.data);
        break;
      case packetType.error:
        throw invalid(`the client cannot send its files: ${Buffer.from(packet.data).toString('utf8')}`);
      case packetType.fin:
        if (!this.#finished) throw invalid('the client ended the transfer of its files early');
        this.#call!.end();
        break;
      default:
        throw invalid(`the client sent a packet of unknown type ${packet.type}`);
    }
    this.progress(this.#wireBytes);
  }

  requireComplete(): void {
    if (!this.#finished) throw invalid('the client ended the transfer of its files early');
  }

  #stat(stat: FileStat): void {
    if (this.#allKnown) throw invalid('the client named a file after the last');
    this.#checkPath(stat.path);
    this.#seen.set(stat.path, stat.mode);
    if (this.#seen.size > this.limits.entries) throw invalid(`the client has more than ${this.limits.entries} files`);
    const id = this.#next++;
    if (!this.target.stat(stat)) return;
    this.#wanted.set(id, stat);
    this.#call!.send(requestPacket(id));
  }

  /** The kernel keeps paths inside the tree; here they get one spelling, and a parent that has been named before. */
  #checkPath(path: string): void {
    const bad = path === '' || path.length > 4096 || path.includes('\0') || this.#seen.has(path);
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    const parent = slash < 0 ? undefined : this.#seen.get(path.slice(0, slash));
    const hasParent = slash < 0 || (parent !== undefined && isDirectory(parent));
    if (bad || !hasParent || name === '' || name === '.' || name === '..') {
      throw invalid(`the client named an invalid file ${JSON.stringify(path.slice(0, 256))}`);
    }
  }

  #lastStat(): void {
    if (this.#allKnown) return;
    this.#allKnown = true;
    this.target.allKnown();
    this.#finishIfDone();
  }

  #data(id: number, data: Uint8Array): void {
    const stat = this.#wanted.get(id);
    if (!stat) throw invalid(`the client sent content that was not asked for (file ${id})`);
    if (data.length > 0) {
      this.#contentBytes += data.length;
      if (this.#contentBytes > this.limits.bytes)
        throw invalid(`the client's files have more than ${this.limits.bytes} bytes`);
      if (this.#open.add(id).size > maximumOpenFiles) throw invalid('the client sends too many files at the same time');
      this.target.content(stat, data);
      return;
    }
    this.target.contentEnd(stat);
    this.#open.delete(id);
    this.#wanted.delete(id);
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (!this.#allKnown || this.#wanted.size > 0 || this.#finished) return;
    this.#finished = true;
    this.#call!.send(finPacket);
  }
}
