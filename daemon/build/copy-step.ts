import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { resolveUser } from '../containers/user-lookup.js';
import type { InstructionOf } from '../dockerfile/instruction.js';
import { ShellWords } from '../dockerfile/shell-words.js';
import { invalid } from '../errors.js';
import { environmentOf } from '../images/instructions.js';
import type { CopyItem, NativeError, Root } from '../runtime/addon.js';
import type { Owner } from '../userns/id-mapping.js';
import type { BuildSession } from './build-session.js';
import { copyDestination, copySource, hasWildcards, isRemote, parentsTarget } from './copy-paths.js';
import type { BuildLayer } from './layers.js';
import { linkGround, makeGround, type GroundDirectory } from './link-ground.js';
import type { StageSources } from './plan.js';
import type { FileSource } from './source-files.js';
import type { StageState } from './stage-state.js';

type Copy = InstructionOf<'COPY'> | InstructionOf<'ADD'>;

/** A part of a COPY or ADD: files of one place. */
interface Part {
  root: Root;
  /** Bottom first, where that is of a stage or an image. */
  layers: readonly BuildLayer[];
  isContext: boolean;
  items: CopyItem[];
  unpack: boolean;
  /** What the cache knows it by, where that is not its content. */
  identity?: string | undefined;
  /** To be called before the files are used. */
  fetch?: (signal: AbortSignal) => Promise<void>;
}

/** A COPY or ADD that is ready to be looked up or executed. */
export interface PreparedCopy {
  what: object;
  /** What a linked step is, whatever it stands on. */
  linked: object | undefined;
  createdBy: string;
  execute(): Promise<BuildLayer | undefined>;
}

/** Finds the files of a COPY or ADD, and their content. */
export async function prepareCopy(
  session: BuildSession,
  sources: StageSources,
  state: StageState,
  instruction: Copy,
): Promise<PreparedCopy> {
  const words = new ShellWords(session.escape, new Map([...state.arguments, ...environmentOf(state.config)]));
  const expanded = expandCopy(instruction, words);
  const destination = copyDestination(state.config.WorkingDir ?? '', expanded.destination);
  const count = expanded.sources.length + expanded.heredocs.length;
  if (count > 1 && !destination.endsWith('/')) {
    throw invalid(
      `when using ${instruction.keyword} with more than one source file, the destination must be a directory and end with a /`,
    );
  }
  const parts = await openParts(session, sources, expanded, destination);
  const owner = await ownerOf(session, state, expanded.chown);
  const content = await Promise.all(parts.map((part) => contentOf(session, part, expanded, owner))).catch(
    (error: unknown) => {
      throw notFoundInContext(error);
    },
  );
  const { chmod, exclude, link } = expanded;
  const items = parts.map((part) => ({ items: part.items, unpack: part.unpack }));
  const ground = link ? await groundOf(session, state, parts) : undefined;
  const what = { copy: items, content, owner, chmod, exclude, ground };
  return {
    what,
    linked: ground && what,
    createdBy: `${instruction.keyword} ${[...expanded.sources, ...expanded.heredocs.map(({ name }) => name), expanded.destination].join(' ')}`,
    execute: () => execute(session, state, expanded, parts, owner, ground),
  };
}

function groundOf(
  { addon, facts, layers }: BuildSession,
  state: StageState,
  parts: readonly Part[],
): Promise<GroundDirectory[]> {
  const items = parts.flatMap((part) => part.items);
  const places = items.map(({ to }) => to);
  return facts.of(state.layers, ['ground', places], () => linkGround(addon, layers.root(state.layers), items));
}

/** What the cache knows files by. */
async function contentOf(
  { addon, mapping, facts }: BuildSession,
  { root, layers, items, isContext, identity }: Part,
  { exclude }: Copy,
  owner: Owner | undefined,
): Promise<string> {
  if (identity !== undefined) return identity;
  const options = { exclude, owner: owner ?? (isContext ? mapping.root : undefined) };
  const paths = items.map(({ from }) => from);
  return facts.of(layers, ['tree', paths, options], () => addon.treeDigest(root, paths, options));
}

function expandCopy<Kind extends Copy>(instruction: Kind, words: ShellWords): Kind {
  const expand = (text: string): string => words.expand(text);
  return {
    ...instruction,
    sources: instruction.sources.map(expand),
    destination: expand(instruction.destination),
    exclude: instruction.exclude.map(expand),
    heredocs: instruction.heredocs.map((heredoc) => ({
      ...heredoc,
      content: heredoc.expand ? words.expandContent(heredoc.content) : heredoc.content,
    })),
    ...(instruction.chown !== undefined && { chown: expand(instruction.chown) }),
    ...(instruction.chmod !== undefined && { chmod: expand(instruction.chmod) }),
    ...(instruction.keyword === 'ADD' &&
      instruction.checksum !== undefined && { checksum: expand(instruction.checksum) }),
  };
}

/** Where everything comes from: the context or --from, URLs, and here-documents. */
async function openParts(
  session: BuildSession,
  sources: StageSources,
  copy: Copy,
  destination: string,
): Promise<Part[]> {
  const remote = copy.keyword === 'ADD' ? copy.sources.filter(isRemote) : [];
  const local = copy.sources.filter((source) => !remote.includes(source));
  if (copy.keyword === 'ADD' && copy.checksum !== undefined && (remote.length !== 1 || local.length > 0)) {
    throw invalid('--checksum needs exactly one remote source');
  }
  const parts: Part[] = [];
  if (local.length > 0) parts.push(await localPart(session, sources, copy, local, destination));
  for (const url of remote) parts.push(await remotePart(session, copy as InstructionOf<'ADD'>, url, destination));
  if (copy.heredocs.length > 0) parts.push(heredocPart(session, copy, destination));
  return parts;
}

async function localPart(
  session: BuildSession,
  stages: StageSources,
  copy: Copy,
  paths: readonly string[],
  destination: string,
): Promise<Part> {
  const from = copy.keyword === 'COPY' && copy.from !== undefined ? stages.files(copy.from) : undefined;
  const wanted = paths.map(copySource);
  const source = await session.files.open(
    from,
    wanted.map((path) => path || '.'),
  );
  const keepsParents = copy.keyword === 'COPY' && copy.parents;
  const items = await findItems(session, source, paths, (path, pattern) =>
    keepsParents ? parentsTarget(destination, path, pattern) : destination,
  );
  return {
    root: source.root,
    layers: source.layers,
    isContext: source.isContext,
    items,
    unpack: copy.keyword === 'ADD' && copy.unpack !== false,
  };
}

/** The paths that sources name; wildcards may match nothing, and then nothing is copied. */
async function findItems(
  session: BuildSession,
  { root, layers }: FileSource,
  sources: readonly string[],
  target: (path: string, pattern: string) => string,
): Promise<CopyItem[]> {
  const patterns = sources.filter(hasWildcards);
  const find = (): Promise<string[][]> => session.addon.findPaths(root, patterns.map(copySource));
  const found = patterns.length > 0 ? await session.facts.of(layers, ['paths', patterns], find) : [];
  return sources.flatMap((source) => {
    const index = patterns.indexOf(source);
    const paths = index < 0 ? [copySource(source)] : (found[index] ?? []);
    return paths.map((path) => ({ from: path, to: target(path, source) }));
  });
}

async function remotePart(
  session: BuildSession,
  add: InstructionOf<'ADD'>,
  url: string,
  destination: string,
): Promise<Part> {
  const { checksum, keepGitDirectory, unpack = false } = add;
  const { directory, path, identity, fetch } = await session.remote.open(
    url,
    { checksum, keepGitDirectory },
    session.signal,
  );
  const root: Root = { kind: 'directory', path: directory };
  return { root, layers: [], isContext: true, items: [{ from: path, to: destination }], unpack, identity, fetch };
}

function heredocPart({ layers, request }: BuildSession, { heredocs }: Copy, destination: string): Part {
  const directory = layers.staging.newPath();
  mkdirSync(directory);
  for (const { name, content } of heredocs) {
    const file = join(directory, posix.basename(name));
    writeFileSync(file, content);
    chmodSync(file, 0o644);
    // Not now: the same text is the same layer.
    utimesSync(file, request.sourceDateEpoch ?? 0, request.sourceDateEpoch ?? 0);
  }
  const items = heredocs.map(({ name }) => ({ from: posix.basename(name), to: destination }));
  return { root: { kind: 'directory', path: directory }, layers: [], isContext: true, items, unpack: false };
}

/** Who owns the copies, as on the disk; undefined for whoever owns the files. */
async function ownerOf(
  session: BuildSession,
  state: StageState,
  chown: string | undefined,
): Promise<Owner | undefined> {
  if (chown === undefined || chown === '') return undefined;
  const [, uid, gid = uid] = /^(\d+)(?::(\d+))?$/.exec(chown) ?? [];
  if (uid !== undefined) return session.mapping.toHost({ uid: Number(uid), gid: Number(gid) });
  const owner = await session.facts.of(state.layers, ['user', chown], () =>
    resolveUser(session.addon, session.layers.root(state.layers), chown),
  );
  return session.mapping.toHost(owner);
}

async function execute(
  session: BuildSession,
  state: StageState,
  { exclude, chmod }: Copy,
  parts: readonly Part[],
  owner: Owner | undefined,
  ground: readonly GroundDirectory[] | undefined,
): Promise<BuildLayer | undefined> {
  const { layers, addon, mapping } = session;
  const upper = layers.newUpper();
  const root = layers.writableRoot(ground ? [] : state.layers, upper);
  if (ground) makeGround(upper.upper, ground);
  const { maxBytes, maxEntries } = layers.staging.content.layerLimits;
  for (const part of parts) {
    if (part.items.length === 0) continue;
    await part.fetch?.(session.signal);
    await addon.copyTrees(part.root, root, part.items, {
      exclude,
      owner: owner ?? (part.isContext ? mapping.root : undefined),
      defaultOwner: mapping.root,
      mode: chmod,
      unpackArchives: part.unpack,
      archiveOwner: owner,
      idMap: mapping,
      maxBytes,
      maxEntries,
    });
  }
  return layers.finish(upper);
}

/** What is wanted and not there, in the words that users search for. */
function notFoundInContext(error: unknown): unknown {
  const { code, operation } = error as NativeError;
  const [, path] = /^open (.*)$/.exec(operation ?? '') ?? [];
  if (code !== 'ENOENT' || path === undefined) return error;
  return invalid(`failed to calculate checksum of ref: "/${path.replace(/^\/+/, '')}": not found`, error);
}
