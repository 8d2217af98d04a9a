import { posix } from 'node:path';
import { invalid } from '../../errors.js';
import { transferFiles, type TransferOptions, type TransferProgress } from './file-transfer.js';
import { isRegular, isSymbolicLink } from './file-types.js';
import type { ClientSession } from './sessions.js';

/** Of all files together: they are Dockerfiles and lists of patterns. */
const limits = { entries: 4096, bytes: 8 * 1024 * 1024 };
const maximumLinks = 32;

/** A few small files of a client, read into memory. */
export class ClientFiles {
  readonly #contents = new Map<string, Buffer[]>();
  readonly #links = new Map<string, string>();

  static async read(
    session: ClientSession,
    options: TransferOptions,
    progress: TransferProgress,
    signal: AbortSignal,
  ): Promise<ClientFiles> {
    const files = new ClientFiles();
    const contents = files.#contents;
    const target = {
      stat: ({ path, mode, link }: { path: string; mode: number; link: string }): boolean => {
        if (isSymbolicLink(mode) || (isRegular(mode) && link !== '')) files.#links.set(path, link);
        const wanted = isRegular(mode) && link === '';
        if (wanted) contents.set(path, []);
        return wanted;
      },
      allKnown: () => undefined,
      // The packet's memory is that of everything that came with it.
      content: ({ path }: { path: string }, data: Uint8Array) => void contents.get(path)!.push(Buffer.from(data)),
      contentEnd: () => undefined,
    };
    await transferFiles(session, options, target, limits, progress, signal);
    return files;
  }

  /** The text of a file, where symbolic links lead to it as well; undefined when there is none. */
  text(path: string): string | undefined {
    let place = posix.normalize(path).replace(/^\/+/, '');
    for (let links = 0; links <= maximumLinks; links++) {
      const contents = this.#contents.get(place);
      if (contents) return Buffer.concat(contents).toString('utf8');
      const link = this.#links.get(place);
      if (link === undefined) return undefined;
      place = posix.join('/', posix.dirname(place), link).slice(1);
      if (link.startsWith('/')) place = posix.normalize(link).slice(1);
    }
    throw invalid(`${path}: too many symbolic links`);
  }
}
