import { mkdirSync } from 'node:fs';
import { invalid } from '../errors.js';
import type { Staging } from '../images/staging.js';
import type { BuildDownloadStore } from '../store/build-downloads.js';
import { downloadFile, type Download } from './download.js';
import { checkOut } from './git.js';
import { isGitUrl, parseGitUrl } from './git-url.js';
import { digestOfKind, type Material } from './material.js';

/** What a URL gives: a path below a directory; "/" for all of it. */
export interface RemoteSource {
  directory: string;
  path: string;
  /** What stands for the content: its digest, a commit. */
  identity: string;
  material: Material;
  /** Gets the files, where they have not come yet. */
  fetch: (signal: AbortSignal) => Promise<void>;
}

interface FetchOptions {
  /** "sha256:…" of a file, or the commit of a git repository. */
  checksum?: string | undefined;
  keepGitDirectory: boolean;
}

/**
 * What ADD and contexts name by a URL; each is asked for once in a build. Of a file that the server still has in the version of an
 * earlier build, only the digest is known at first: a step that is in the cache needs no more.
 */
export class RemoteFiles {
  readonly #opened = new Map<string, Promise<RemoteSource>>();
  readonly #materials = new Map<string, Material>();

  constructor(
    readonly staging: Staging,
    /** What is known of earlier builds. */
    readonly downloads?: BuildDownloadStore,
  ) {}

  /** What was opened. */
  get materials(): Material[] {
    return [...this.#materials.values()];
  }

  /** @throws GantryError when there is no such thing, or its checksum is another one */
  open(url: string, options: FetchOptions, signal: AbortSignal): Promise<RemoteSource> {
    const key = JSON.stringify([url, options]);
    let opening = this.#opened.get(key);
    if (!opening) this.#opened.set(key, (opening = this.#open(url, options, signal)));
    return opening;
  }

  /** As `open`, with the files. */
  async fetch(url: string, options: FetchOptions, signal: AbortSignal): Promise<RemoteSource> {
    const source = await this.open(url, options, signal);
    await source.fetch(signal);
    return source;
  }

  async #open(url: string, options: FetchOptions, signal: AbortSignal): Promise<RemoteSource> {
    const directory = this.staging.newPath();
    mkdirSync(directory);
    const source = isGitUrl(url)
      ? await this.#repository(url, directory, options, signal)
      : await this.#file(url, directory, options, signal);
    this.#materials.set(url, source.material);
    return source;
  }

  async #repository(
    url: string,
    directory: string,
    { checksum, keepGitDirectory }: FetchOptions,
    signal: AbortSignal,
  ): Promise<RemoteSource> {
    const { addon } = this.staging.content;
    const checkedOut = await checkOut(addon, url, directory, { keepGitDirectory }, signal);
    if (checksum && !checkedOut.commit.startsWith(checksum)) {
      throw invalid(`the commit of ${url} is ${checkedOut.commit}, not ${checksum}`);
    }
    return {
      directory: checkedOut.directory,
      path: '/',
      identity: JSON.stringify(['git', checkedOut.commit, parseGitUrl(url).subdirectory, keepGitDirectory]),
      material: { uri: url, digest: { sha1: checkedOut.commit } },
      fetch: () => Promise.resolve(),
    };
  }

  async #file(url: string, directory: string, { checksum }: FetchOptions, signal: AbortSignal): Promise<RemoteSource> {
    const { maxBytes } = this.staging.content.layerLimits;
    const known = this.downloads?.find(url);
    const got = await downloadFile(url, directory, { maxBytes, known }, signal);
    if (got) this.downloads?.save(url, got);
    const file = got ?? known!;
    if (checksum !== undefined && checksum !== file.digest) {
      throw invalid(`digest mismatch for ${url}: it is ${file.digest}, expected ${checksum}`);
    }
    const fetching = got && Promise.resolve();
    return {
      directory,
      path: file.name,
      identity: JSON.stringify(['file', file.digest, file.name]),
      material: { uri: url, digest: digestOfKind(file.digest) },
      fetch: once(fetching, (stop) => fetchAgain(url, directory, file, maxBytes, stop)),
    };
  }
}

/** What was not fetched because it was known, and is needed after all. */
async function fetchAgain(
  url: string,
  directory: string,
  { digest, name }: Download,
  maxBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const got = await downloadFile(url, directory, { maxBytes }, signal);
  if (got?.digest !== digest || got.name !== name) throw invalid(`${url} has changed while it was used`);
}

function once(
  done: Promise<void> | undefined,
  work: (signal: AbortSignal) => Promise<void>,
): (signal: AbortSignal) => Promise<void> {
  return (signal) => (done ??= work(signal));
}
