import { createHash } from 'node:crypto';
import { createWriteStream, utimesSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { request as httpRequest } from 'undici';
import { GantryError, invalid } from '../errors.js';
import type { Digest } from '../images/digest.js';

/** A file as its server had it, and what the server knows this version by. */
export interface Download {
  /** Of the file in its directory. */
  name: string;
  digest: Digest;
  etag: string | undefined;
}

const maxRedirects = 10;

/**
 * Downloads a file into a directory.
 *
 * @param known a version that need not come again
 * @returns undefined when the server still has the known version
 * @throws GantryError
 */
export async function downloadFile(
  url: string,
  directory: string,
  { maxBytes, known }: { maxBytes: number; known?: Download | undefined },
  signal: AbortSignal,
): Promise<Download | undefined> {
  const response = await get(url, known?.etag === undefined ? {} : { 'if-none-match': known.etag }, signal);
  if (!response) return undefined;
  const { body, headers } = response;
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
  const modified = Date.parse(header(headers, 'last-modified') ?? '');
  const time = Number.isNaN(modified) ? 0 : modified / 1000;
  utimesSync(path, time, time);
  return { name, digest: `sha256:${hash.digest('hex')}`, etag: header(headers, 'etag') };
}

type Headers = Record<string, string | string[] | undefined>;

const header = (headers: Headers, name: string): string | undefined => {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
};

const failed = (url: string, cause: Error): GantryError =>
  new GantryError('remote', `failed to download ${url}: ${cause.message}`, { cause });

/** GET, following redirections. @returns undefined for "not modified" @throws GantryError for anything but success */
async function get(
  url: string,
  conditions: Record<string, string>,
  signal: AbortSignal,
): Promise<{ body: AsyncIterable<Uint8Array> & NodeJS.ReadableStream; headers: Headers } | undefined> {
  let current = url;
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const response = await httpRequest(current, { signal, headers: { 'user-agent': 'gantry', ...conditions } }).catch(
      (error: unknown) => {
        throw failed(url, error as Error);
      },
    );
    const location = header(response.headers, 'location');
    if (response.statusCode < 300) return { body: response.body, headers: response.headers };
    await response.body.dump();
    if (response.statusCode === 304 && Object.keys(conditions).length > 0) return undefined;
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
