import { createHash } from 'node:crypto';
import { createWriteStream, mkdirSync, utimesSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { request as httpRequest } from 'undici';
import { GantryError, invalid } from '../errors.js';
import type { Digest } from '../images/digest.js';
import type { Staging } from '../images/staging.js';
import { checkOut } from './git.js';
import { isGitUrl, parseGitUrl } from './git-url.js';
import { digestOfKind, type Material } from './material.js';

/** What a URL gave: a path below a directory; "/" for all of it. */
export interface FetchedFiles {
  directory: string;
  path: string;
  /** What stands for the content, where the files of two fetches of the same differ: a commit. */
  identity?: string;
  material: Material;
}

interface FetchOptions {
  /** "sha256:…" of a file, or the commit of a git repository. */
  checksum: string | undefined;
  keepGitDirectory: boolean;
}

const maxRedirects = 10;

/** Fetches what ADD names by a URL; each once in a build. */
export class RemoteFiles {
  readonly #fetched = new Map<string, Promise<FetchedFiles>>();
  readonly #materials = new Map<string, Material>();

  constructor(
    readonly staging: Staging,
    readonly maxBytes: number,
  ) {}

  /** What has been fetched. */
  get materials(): Material[] {
    return [...this.#materials.values()];
  }

  fetch(url: string, options: FetchOptions, signal: AbortSignal): Promise<FetchedFiles> {
    const key = JSON.stringify([url, options]);
    let fetching = this.#fetched.get(key);
    if (!fetching) this.#fetched.set(key, (fetching = this.#fetch(url, options, signal)));
    return fetching;
  }

  async #fetch(url: string, options: FetchOptions, signal: AbortSignal): Promise<FetchedFiles> {
    const fetched = await this.#get(url, options, signal);
    this.#materials.set(url, fetched.material);
    return fetched;
  }

  async #get(url: string, options: FetchOptions, signal: AbortSignal): Promise<FetchedFiles> {
    const directory = this.staging.newPath();
    mkdirSync(directory);
    if (isGitUrl(url)) {
      const { addon } = this.staging.content;
      const checkedOut = await checkOut(addon, url, directory, { keepGitDirectory: options.keepGitDirectory }, signal);
      if (options.checksum && !checkedOut.commit.startsWith(options.checksum)) {
        throw invalid(`the commit of ${url} is ${checkedOut.commit}, not ${options.checksum}`);
      }
      const identity = JSON.stringify([
        'git',
        checkedOut.commit,
        parseGitUrl(url).subdirectory,
        options.keepGitDirectory,
      ]);
      const material = { uri: url, digest: { sha1: checkedOut.commit } };
      return { directory: checkedOut.directory, path: '/', identity, material };
    }
    const { name, digest } = await downloadFile(url, directory, { ...options, maxBytes: this.maxBytes }, signal);
    return { directory, path: name, material: { uri: url, digest: digestOfKind(digest) } };
  }
}

/** Downloads a file. @returns its name in the directory, and its digest */
async function downloadFile(
  url: string,
  directory: string,
  { checksum, maxBytes }: FetchOptions & { maxBytes: number },
  signal: AbortSignal,
): Promise<{ name: string; digest: Digest }> {
  const { body, headers } = await get(url, signal);
  const name = fileName(url, header(headers, 'content-disposition'));
  const path = join(directory, name);
  const hash = createHash('sha256');
  let size = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(size > maxBytes ? invalid(`${url} is larger than ${maxBytes} bytes`) : null, chunk);
    },
  });
  await pipeline(body, check, createWriteStream(path, { mode: 0o600 }), { signal }).catch((error: unknown) => {
    throw signal.aborted || error instanceof GantryError ? error : failed(url, error as Error);
  });
  const digest = `sha256:${hash.digest('hex')}`;
  if (checksum !== undefined && checksum !== digest) {
    throw invalid(`digest mismatch for ${url}: it is ${digest}, expected ${checksum}`);
  }
  const modified = Date.parse(header(headers, 'last-modified') ?? '');
  const time = Number.isNaN(modified) ? 0 : modified / 1000;
  utimesSync(path, time, time);
  return { name, digest };
}

type Headers = Record<string, string | string[] | undefined>;

const header = (headers: Headers, name: string): string | undefined => {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
};

const failed = (url: string, cause: Error): GantryError =>
  new GantryError('remote', `failed to download ${url}: ${cause.message}`, { cause });

/** GET, following redirections. @throws GantryError for anything but success */
export async function get(
  url: string,
  signal: AbortSignal,
): Promise<{ body: AsyncIterable<Uint8Array> & NodeJS.ReadableStream; headers: Headers }> {
  let current = url;
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const response = await httpRequest(current, { signal, headers: { 'user-agent': 'gantry' } }).catch(
      (error: unknown) => {
        throw failed(url, error as Error);
      },
    );
    const location = header(response.headers, 'location');
    if (response.statusCode < 300) return { body: response.body, headers: response.headers };
    await response.body.dump();
    if (response.statusCode >= 400 || location === undefined) {
      throw new GantryError('remote', `failed to download ${url}: the server answers ${response.statusCode}`);
    }
    current = new URL(location, current).href;
    if (!/^https?:/.test(current)) throw new GantryError('remote', `failed to download ${url}: it leads to ${current}`);
  }
  throw new GantryError('remote', `failed to download ${url}: more than ${maxRedirects} redirections`);
}

function fileName(url: string, disposition: string | undefined): string {
  const [, given] = /filename="?([^";]+)"?/.exec(disposition ?? '') ?? [];
  const path = decodeURIComponent(new URL(url).pathname);
  const name = posix.basename(given ?? (path.endsWith('/') ? '' : path));
  if (name === '' || name === '.' || name === '..') throw invalid(`cannot tell a file name from ${url}`);
  return name;
}
