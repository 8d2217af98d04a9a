import { mkdirSync } from 'node:fs';
import { readdir, rename } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { Readable } from 'node:stream';
import { writeToPipe } from '../../containers/pipe-transfer.js';
import { invalid } from '../../errors.js';
import type { Content } from '../../images/content.js';
import { Staging } from '../../images/staging.js';
import type { NativeError, Root } from '../../runtime/addon.js';
import type { BuildContext } from '../build-context.js';
import { readIgnorePatterns } from '../dockerignore.js';
import { isGitUrl } from '../git-url.js';
import { ignoreMatcher } from '../ignore-matcher.js';
import type { Material } from '../material.js';
import { RemoteFiles } from '../remote-files.js';

/** A context that has arrived, and the Dockerfile in it. */
export interface ClassicContext {
  context: BuildContext;
  dockerfile: string;
  dockerfileName: string;
  /** Where it is from, unless a client sent it. */
  origin?: Material;
  discard(): Promise<void>;
}

interface Source {
  /** A tar stream, compressed or not, unless `remote` says where else the context is. */
  body: Readable;
  /** A git repository, an archive, or a Dockerfile alone. */
  remote: string;
  /** Undefined where it is not in the context. */
  dockerfile: string | undefined;
  keepGitDirectory?: boolean;
  /** The Dockerfile and the .dockerignore are no part of the context where this one names them. */
  hidesIgnored?: boolean;
}

const maxDockerfileBytes = 4 * 1024 * 1024;

/** Takes a context that is no directory of a client. @throws GantryError invalid when it has no Dockerfile */
export async function openClassicContext(
  content: Content,
  source: Source,
  signal: AbortSignal,
): Promise<ClassicContext> {
  const staging = new Staging(content);
  try {
    const { directory, ...origin } =
      source.remote === ''
        ? { directory: await unpackBody(staging, source.body) }
        : await fetchRemote(staging, source, signal);
    const context = await readContext(content, directory, source);
    return { ...context, ...origin, discard: () => staging.discard() };
  } catch (error) {
    await staging.discard();
    throw error;
  }
}

async function unpackBody(staging: Staging, body: Readable): Promise<string> {
  const { addon, layerLimits, mapping } = staging.content;
  const directory = staging.newLayerPath();
  mkdirSync(directory, { mode: 0o755 });
  const root: Root = { kind: 'directory', path: directory };
  try {
    // Whoever sends a context has ids of his own machine, which mean nothing here.
    const options = { ...layerLimits, owner: mapping.root };
    await writeToPipe(addon, body, (input) => addon.unpack(root, '/', input, options));
  } catch (error) {
    const { operation, message } = error as NativeError;
    throw operation === undefined ? error : invalid(`failed to read the build context: ${message}`, error);
  }
  return directory;
}

async function fetchRemote(
  staging: Staging,
  { remote, keepGitDirectory = false }: Source,
  signal: AbortSignal,
): Promise<{ directory: string; origin: Material }> {
  const { addon, layerLimits, mapping } = staging.content;
  if (!isGitUrl(remote) && !/^https?:\/\//.test(remote)) throw invalid(`invalid remote build context: ${remote}`);
  const files = new RemoteFiles(staging);
  const fetched = await files.fetch(remote, { keepGitDirectory }, signal);
  const origin = fetched.material;
  if (isGitUrl(remote)) return { directory: fetched.directory, origin };
  const directory = staging.newLayerPath();
  mkdirSync(directory, { mode: 0o755 });
  await addon.copyTrees(
    { kind: 'directory', path: fetched.directory },
    { kind: 'directory', path: directory },
    [{ from: fetched.path, to: '/' }],
    {
      unpackArchives: true,
      archiveOwner: mapping.root,
      owner: mapping.root,
      defaultOwner: mapping.root,
      ...layerLimits,
    },
  );
  // What is no archive is a Dockerfile.
  const names = await readdir(directory);
  if (names.length === 1 && names[0] === fetched.path && fetched.path !== 'Dockerfile') {
    await rename(join(directory, fetched.path), join(directory, 'Dockerfile'));
  }
  return { directory, origin };
}

async function readContext(
  content: Content,
  directory: string,
  { dockerfile, hidesIgnored = false }: Source,
): Promise<Omit<ClassicContext, 'discard' | 'origin'>> {
  const root: Root = { kind: 'directory', path: directory };
  const name = posix.normalize(posix.join('/', dockerfile || 'Dockerfile')).slice(1);
  const text = dockerfile === undefined ? '' : await readDockerfile(content, root, name);
  const ignored = hidesIgnored ? await hideIgnored(content, root, directory, name) : [];
  const context: BuildContext = {
    name: 'build context',
    ignorePatterns: () => Promise.resolve(ignored),
    open: () => Promise.resolve({ directory, release: () => Promise.resolve() }),
  };
  return { context, dockerfile: text, dockerfileName: name };
}

/** The client has left out the rest, and sends these two in any case. @returns the patterns */
async function hideIgnored({ addon }: Content, root: Root, directory: string, dockerfile: string): Promise<string[]> {
  const ignored = await readIgnorePatterns(addon, root, dockerfile);
  const hidden = [dockerfile, '.dockerignore'].filter(ignoreMatcher(ignored));
  const escaped = hidden.map((path) => path.replaceAll(/[*?[\]\\]/g, '\\$&'));
  if (hidden.length > 0) await addon.removeMatching(directory, escaped);
  return ignored;
}

async function readDockerfile({ addon }: Content, root: Root, name: string): Promise<string> {
  const alternatives = name === 'Dockerfile' ? [name, 'dockerfile'] : [name];
  for (const path of alternatives) {
    try {
      return (await addon.readFile(root, path, maxDockerfileBytes)).toString('utf8');
    } catch (error) {
      if ((error as NativeError).code !== 'ENOENT')
        throw invalid(`cannot read ${path}: ${(error as Error).message}`, error);
    }
  }
  throw invalid(`Cannot locate specified Dockerfile: ${name}`);
}
