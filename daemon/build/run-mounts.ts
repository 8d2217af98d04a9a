import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { ContainerMount } from '../containers/container.js';
import { parseSize } from '../containers/host-config.js';
import { blankMount } from '../containers/requested-mount.js';
import type { BuildMount } from '../dockerfile/mount.js';
import { invalid } from '../errors.js';
import type { Owner } from '../userns/id-mapping.js';
import type { BuildSession } from './build-session.js';
import type { FileSource } from './source-files.js';
import { serveAgent } from './ssh-agent-socket.js';
import type { StageSources } from './plan.js';

/** The mounts of one RUN, made for the time of its step. */
export interface RunMounts {
  mounts: ContainerMount[];
  /** Of those mounts that show a stage or an image: the directories, topmost first, by the mount's source. */
  layers: Map<string, readonly string[]>;
  environment: string[];
  /** What has to be there to be mounted on. */
  targets: { path: string; isDirectory: boolean }[];
  release(): Promise<void>;
}

/** Where the files of a bind mount, and the first ones of a cache, come from. */
export interface MountSource {
  mount: BuildMount;
  source: FileSource | undefined;
}

/** A mount of a RUN, with variables replaced and its files at hand. */
export async function openMountSources(
  session: BuildSession,
  sources: StageSources,
  mounts: readonly BuildMount[],
): Promise<MountSource[]> {
  return Promise.all(
    mounts.map(async (mount) => {
      const hasFiles = mount.type === 'bind' || (mount.type === 'cache' && mount.from !== '');
      if (!hasFiles) return { mount, source: undefined };
      const from = mount.from === '' ? undefined : sources.files(mount.from);
      return { mount, source: await session.files.open(from, [mount.source || '.']) };
    }),
  );
}

/** What the cache has to know of the mounts: what they are, and the content of those that bring files. */
export function describeMounts(session: BuildSession, mounts: readonly MountSource[]): Promise<object[]> {
  return Promise.all(
    mounts.map(async ({ mount, source }) => {
      const content = source && mount.type === 'bind' ? await contentOf(session, source, mount.source || '/') : '';
      return { ...mount, content };
    }),
  );
}

function contentOf({ addon, facts }: BuildSession, { root, layers }: FileSource, path: string): Promise<string> {
  return facts.of(layers, ['tree', [path], {}], () => addon.treeDigest(root, [path], {}));
}

/** Makes the mounts. Nothing of them remains after `release`. */
export async function makeMounts(
  session: BuildSession,
  sources: readonly MountSource[],
  workingDirectory: string,
): Promise<RunMounts> {
  const maker = new MountMaker(session, workingDirectory);
  try {
    await maker.lockCaches(sources);
    for (const source of sources) await maker.add(source);
    return maker.result;
  } catch (error) {
    await maker.result.release();
    throw error;
  }
}

class MountMaker {
  readonly #releases: (() => unknown)[] = [];
  readonly result: RunMounts = {
    mounts: [],
    layers: new Map(),
    environment: [],
    targets: [],
    release: async () => {
      for (const release of this.#releases.splice(0).reverse()) await release();
    },
  };

  constructor(
    readonly session: BuildSession,
    readonly workingDirectory: string,
  ) {}

  async lockCaches(sources: readonly MountSource[]): Promise<void> {
    const locked = sources.filter(({ mount }) => mount.type === 'cache' && mount.sharing === 'locked');
    const { cacheMounts, signal } = this.session;
    const ids = locked.map(({ mount }) => cacheId(mount));
    this.#releases.push(await cacheMounts.lock(ids, signal));
  }

  async add({ mount, source }: MountSource): Promise<void> {
    switch (mount.type) {
      case 'bind':
        return this.#addBind(mount, source!);
      case 'cache':
        return this.#addCache(mount, source);
      case 'tmpfs':
        return this.#addTmpfs(mount);
      case 'secret':
        return this.#addSecret(mount);
      case 'ssh':
        return this.#addAgent(mount);
    }
  }

  async #addBind(mount: BuildMount, source: FileSource): Promise<void> {
    const { addon } = this.session;
    const { mode, resolvedPath, linkTarget } = await addon.statPath(source.root, mount.source || '/');
    const path = linkTarget || resolvedPath;
    const isDirectory = linkTarget
      ? isDirectoryMode((await addon.statPath(source.root, path)).mode)
      : isDirectoryMode(mode);
    this.#mountFiles(mount, source, path, isDirectory);
  }

  /** Shows files without copying them: what is written goes elsewhere, and away with the step. */
  #mountFiles(mount: BuildMount, { root, lower }: FileSource, path: string, isDirectory: boolean): void {
    const { layers, addon } = this.session;
    const directories = lower ?? (root.kind === 'directory' ? [root.path] : []);
    const source = `mount ${randomBytes(8).toString('hex')}`;
    const destination = this.#target(mount.target);
    const subpath = posix.join('/', path).slice(1);
    const shown: ContainerMount = { ...privateMount, type: 'image', source, destination, readWrite: !mount.readOnly };
    if (subpath !== '') shown.subpath = subpath;
    if (!mount.readOnly) {
      const { upper, work } = layers.newUpper();
      shown.upper = { directory: upper, work };
      this.#releases.push(async () => {
        await addon.removeTree(upper);
        await addon.removeTree(work);
      });
    }
    this.result.layers.set(source, directories);
    this.result.mounts.push(shown);
    this.result.targets.push({ path: destination, isDirectory });
  }

  async #addCache(mount: BuildMount, source: FileSource | undefined): Promise<void> {
    const { addon, cacheMounts } = this.session;
    const owner = this.#owner(mount);
    const cache = await cacheMounts.open({
      id: cacheId(mount),
      sharing: mount.sharing,
      mode: octal(mount.mode) ?? 0o755,
      owner,
      fill: async (directory) => {
        if (!source) return;
        const items = [{ from: mount.source || '/', to: '/' }];
        await addon.copyTrees(source.root, { kind: 'directory', path: directory }, items, { defaultOwner: owner });
      },
    });
    this.#releases.push(() => cache.release());
    this.#mount(mount, cache.directory, !mount.readOnly, true);
  }

  #addTmpfs(mount: BuildMount): void {
    const size = mount.size === '' ? undefined : parseSize(mount.size);
    if (mount.size !== '' && (size === undefined || size < 0)) throw invalid(`invalid size of a tmpfs: ${mount.size}`);
    const data = ['exec', 'dev', ...(size === undefined ? [] : [`size=${size}`])].join(',');
    const destination = this.#target(mount.target);
    this.result.mounts.push({ ...privateMount, type: 'tmpfs', destination, data });
    this.result.targets.push({ path: destination, isDirectory: true });
  }

  async #addSecret(mount: BuildMount): Promise<void> {
    const { request, signal } = this.session;
    const secret = await request.secrets.get(mount.id, signal);
    if (!secret) {
      if (mount.required) throw invalid(`secret ${mount.id}: not found`);
      return;
    }
    if (mount.env !== '') this.result.environment.push(`${mount.env}=${secret.toString('utf8')}`);
    if (mount.env !== '' && mount.target === '') return;
    const file = this.#privatePath('secret');
    writeFileSync(file, secret, { mode: 0o600 });
    this.#own(file, mount, 0o400);
    this.#mount({ ...mount, target: mount.target || `/run/secrets/${mount.id}` }, file, false, false);
  }

  async #addAgent(mount: BuildMount): Promise<void> {
    const { request, signal } = this.session;
    const id = mount.id || 'default';
    if (!(await request.agents.has(id, signal))) {
      if (mount.required) throw invalid(`unable to find SSH agent "${id}": give one with --ssh`);
      return;
    }
    const socket = this.#privatePath('agent');
    const server = await serveAgent(socket, () => request.agents.connect(id));
    this.#releases.push(() => server.close());
    this.#own(socket, mount, 0o600);
    const count = this.result.environment.filter((entry) => entry.startsWith('SSH_AUTH_SOCK=')).length;
    const target = this.#target(mount.target || `/run/buildkit/ssh_agent.${count}`);
    if (count === 0) this.result.environment.push(`SSH_AUTH_SOCK=${target}`);
    this.#mount({ ...mount, target }, socket, true, false);
  }

  #own(path: string, mount: BuildMount, mode: number): void {
    const { uid, gid } = this.#owner(mount);
    chownSync(path, uid, gid);
    chmodSync(path, octal(mount.mode) ?? mode);
  }

  /** As on the disk; root unless the mount says otherwise. */
  #owner({ uid, gid }: BuildMount): Owner {
    return this.session.mapping.toHost({ uid: number(uid, 'uid') ?? 0, gid: number(gid, 'gid') ?? 0 });
  }

  /** In memory, in a directory that goes after the step. */
  #privatePath(name: string): string {
    const directory = join(this.session.privateDirectory(), `${process.hrtime.bigint()}`);
    mkdirSync(directory, { mode: 0o711 });
    this.#releases.push(() => rmSync(directory, { recursive: true, force: true }));
    return join(directory, name);
  }

  #mount(mount: Pick<BuildMount, 'target'>, source: string, readWrite: boolean, isDirectory: boolean): void {
    const destination = this.#target(mount.target);
    this.result.mounts.push({ ...privateMount, type: 'bind', source, destination, readWrite });
    this.result.targets.push({ path: destination, isDirectory });
  }

  #target(target: string): string {
    return posix.resolve('/', this.workingDirectory, target);
  }
}

/** What the mounts of a step have in common: nothing that is mounted there shows outside. */
export const privateMount = { ...blankMount, propagation: 'rprivate' } as const;

/** What a cache is to all builds: its name, and where its first content comes from. */
function cacheId({ id, target, from, source }: BuildMount): string {
  const name = id || posix.join('/', target);
  return from === '' ? name : `${name} from ${from} ${source}`;
}

/** Go's os.ModeDir. */
const isDirectoryMode = (mode: number): boolean => (mode & 0x8000_0000) !== 0;

function octal(text: string): number | undefined {
  if (text === '') return undefined;
  if (!/^[0-7]{1,5}$/.test(text)) throw invalid(`invalid mode of a mount: ${text}`);
  return parseInt(text, 8);
}

function number(text: string, what: string): number | undefined {
  if (text === '') return undefined;
  if (!/^\d{1,10}$/.test(text)) throw invalid(`invalid ${what} of a mount: ${text}`);
  return Number(text);
}
