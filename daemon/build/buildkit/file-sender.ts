import { type BigIntStats, closeSync, constants, openSync, readSync } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError } from '../../errors.js';
import { goMode, isDirectory, isRegular } from './file-types.js';
import {
  dataPacket,
  decodePacket,
  errorPacket,
  type FileStat,
  finPacket,
  lastStatPacket,
  packetType,
  statPacket,
} from './packets.js';
import { fileSendService } from './protocol.js';
import type { RpcCall } from './rpc-client.js';
import type { ClientSession } from './sessions.js';

const chunkSize = 32 * 1024;

/**
 * Sends a directory to the client, which puts its files where the user wants them: the counterpart of FileTransfer.
 *
 * @param exporter which of its outputs the client is to use for it
 */
export async function sendDirectory(
  session: ClientSession,
  exporter: number,
  directory: string,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const sender = new DirectorySender(directory, progress);
  const metadata = { 'buildkit-attachable-exporter-id': String(exporter) };
  const call = session.rpc.open(fileSendService.DiffCopy, { metadata, signal }, (message) => sender.receive(message));
  sender.begin(call);
  await Promise.all([sender.finished, call.finished]);
}

class DirectorySender {
  readonly #files: (string | undefined)[] = [];
  readonly #requests: number[] = [];
  /** Of files with several names, by their inode. */
  readonly #firstNames = new Map<string, string>();
  readonly #buffer = Buffer.allocUnsafe(chunkSize);
  #call!: RpcCall;
  #sent = 0;
  #ended = false;
  #wake: () => void = () => undefined;
  finished: Promise<void> = Promise.resolve();

  constructor(
    readonly directory: string,
    readonly progress: (bytes: number) => void,
  ) {}

  begin(call: RpcCall): void {
    this.#call = call;
    const gone = (): void => {
      this.#ended = true;
      this.#wake();
    };
    call.finished.then(gone, gone);
    this.finished = this.#run();
    this.finished.catch((error: unknown) => {
      call.send(errorPacket((error as Error).message));
      call.cancel(error as Error);
    });
  }

  receive(message: Buffer): void {
    const packet = decodePacket(message);
    if (packet.type === packetType.request) this.#requests.push(packet.id);
    else if (packet.type === packetType.fin) this.#ended = true;
    else if (packet.type === packetType.error) throw refused(packet.data);
    this.#wake();
  }

  async #run(): Promise<void> {
    await this.#walk('');
    await this.#send(lastStatPacket);
    // Contents are sent while stats are still being read at the other end; its "fin" says that it has everything.
    for (;;) {
      const id = this.#requests.shift();
      if (id !== undefined) await this.#sendContent(id);
      else if (this.#ended) break;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    await this.#send(finPacket);
    this.#call.end();
  }

  /** In the order of the paths' components, on which receivers rely. */
  async #walk(parent: string): Promise<void> {
    const names = await readdir(join(this.directory, parent));
    for (const name of names.sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))) {
      const path = parent === '' ? name : `${parent}/${name}`;
      const stat = await this.#statOf(path);
      this.#files.push(isRegular(stat.mode) && stat.link === '' ? path : undefined);
      await this.#send(statPacket(stat));
      if (isDirectory(stat.mode)) await this.#walk(path);
    }
  }

  async #statOf(path: string): Promise<FileStat> {
    const place = join(this.directory, path);
    const stat = await lstat(place, { bigint: true });
    const mode = goMode(Number(stat.mode));
    const seconds = stat.mtimeNs / 1_000_000_000n;
    return {
      path,
      mode,
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: isRegular(mode) ? Number(stat.size) : 0,
      seconds: Number(seconds),
      nanoseconds: Number(stat.mtimeNs - seconds * 1_000_000_000n),
      link: stat.isSymbolicLink() ? await readlink(place) : this.#firstName(path, stat),
      ...deviceNumbers(Number(stat.rdev)),
    };
  }

  /** The path under which a file was sent already; "" when it was not. */
  #firstName(path: string, { dev, ino, nlink, mode }: BigIntStats): string {
    if (nlink === 1n || (Number(mode) & constants.S_IFMT) !== constants.S_IFREG) return '';
    const inode = `${dev}:${ino}`;
    const first = this.#firstNames.get(inode);
    if (first === undefined) this.#firstNames.set(inode, path);
    return first ?? '';
  }

  async #sendContent(id: number): Promise<void> {
    const path = this.#files[id];
    if (path === undefined)
      throw new GantryError('invalid', `the client asked for the content of what is no file (${id})`);
    const file = openSync(join(this.directory, path), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      for (;;) {
        const count = readSync(file, this.#buffer);
        if (count === 0) break;
        await this.#send(dataPacket(id, this.#buffer.subarray(0, count)));
      }
    } finally {
      closeSync(file);
    }
    await this.#send(dataPacket(id, Buffer.alloc(0)));
  }

  async #send(packet: Buffer): Promise<void> {
    this.#sent += packet.length;
    this.progress(this.#sent);
    if (!this.#call.send(packet)) await this.#call.drained();
  }
}

function refused(message: Uint8Array): GantryError {
  return new GantryError('remote', `the client cannot take the result: ${Buffer.from(message).toString('utf8')}`);
}

/** As glibc packs them. */
function deviceNumbers(device: number): { deviceMajor: number; deviceMinor: number } {
  return {
    deviceMajor: ((device >>> 8) & 0xfff) | (Math.floor(device / 2 ** 32) & 0xffff_f000),
    deviceMinor: (device & 0xff) | (Math.floor(device / 2 ** 12) & 0xffff_ff00),
  };
}
