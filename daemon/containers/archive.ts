import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { type GantryError, internal, invalid, notFound } from '../errors.js';
import type { NativeError, PathStat, UnpackOptions } from '../runtime/addon.js';
import type { FileAccess } from './file-access.js';
import { readFromPipe, writeToPipe } from './pipe-transfer.js';
import { resolveUser } from './user-lookup.js';

export interface PutArchiveOptions {
  noOverwriteDirNonDir?: boolean;
  /** What is written belongs to the container's user, if it has one, instead of the archive's owners. */
  copyUIDGID?: boolean;
}

/** HEAD /containers/{id}/archive: what is at a path; a link as the last component is not followed. */
export async function headArchive(access: FileAccess, path: string): Promise<PathStat> {
  const stat = await statIn(access, normalize(path), path);
  return stat;
}

/**
 * GET /containers/{id}/archive: the file or tree at a path as a tar stream whose top entry has the path's last component
 * as its name ("." after "/."). Destroying the stream ends the work.
 */
export async function getArchive(access: FileAccess, path: string): Promise<{ stat: PathStat; stream: Readable }> {
  const { addon, readRoot } = access;
  const target = normalize(path);
  const stat = await statIn(access, target, path);
  const stream = readFromPipe(addon, (output) =>
    addon.pack(readRoot, target, output, { as: stat.name, idMap: access.mapping }),
  );
  return { stat, stream };
}

/**
 * PUT /containers/{id}/archive: unpacks a tar stream (plain, gzip, bzip2, xz, zstd) into a directory that exists.
 * @throws GantryError not-found, invalid (no directory, or read-only), internal for archives that cannot be unpacked:
 * Docker answers these with 500
 */
export async function putArchive(
  access: FileAccess,
  path: string,
  body: Readable,
  options: PutArchiveOptions = {},
): Promise<void> {
  const { addon, writeRoot } = access;
  const directory = await extractionPoint(access, path);
  const unpackOptions: UnpackOptions = { idMap: access.mapping };
  if (options.noOverwriteDirNonDir) unpackOptions.noOverwriteDirNonDir = true;
  if (options.copyUIDGID && access.user) {
    unpackOptions.owner = access.mapping.toHost(await resolveUser(addon, access.readRoot, access.user));
  }
  try {
    await writeToPipe(addon, body, (input) => addon.unpack(writeRoot, directory, input, unpackOptions));
  } catch (error) {
    throw asUnpackError(error);
  }
}

/** The X-Docker-Container-Path-Stat header. */
export function encodePathStat({ name, size, mode, mtime, linkTarget }: PathStat): string {
  return Buffer.from(JSON.stringify({ name, size, mode, mtime, linkTarget })).toString('base64');
}

/**
 * A path as Docker takes it: absolute, lexically cleaned, but keeping a last "/" or "/.", which say that a link at the end
 * is to be followed.
 */
function normalize(path: string): string {
  if (path === '') throw invalid('bad parameter: path cannot be empty');
  if (path.includes('\0')) throw invalid('bad parameter: path contains a NUL byte');
  const cleaned = posix.normalize(`/${path}`).replace(/(?<=.)\/$/, '');
  const prefix = cleaned === '/' ? '' : cleaned;
  if (/(^|\/)\.$/.test(path)) return `${prefix}/.`;
  return path.endsWith('/') ? `${prefix}/` : cleaned;
}

async function statIn(access: FileAccess, path: string, asked: string): Promise<PathStat> {
  try {
    return await access.addon.statPath(access.readRoot, path);
  } catch (error) {
    throw asLookupError(error, access, asked);
  }
}

function asLookupError(error: unknown, access: FileAccess, path: string): unknown {
  switch ((error as NativeError).code) {
    case 'ENOENT':
      return notFound(`Could not find the file ${path} in container ${access.name}`);
    case 'ENOTDIR':
      return internal(`lstat ${path}: not a directory`, error);
    case 'ELOOP':
      return internal(`lstat ${path}: too many levels of symbolic links`, error);
    default:
      return error;
  }
}

/** The directory that a path leads to, with every link in it resolved. */
async function extractionPoint(access: FileAccess, path: string): Promise<string> {
  let stat = await statIn(access, normalize(path), path);
  if (stat.linkTarget) stat = await statIn(access, stat.linkTarget, path);
  if (!isDirectory(stat)) throw invalid('extraction point is not a directory');
  const reason = readOnlyReason(access, stat.resolvedPath);
  if (reason) throw invalid(reason);
  return stat.resolvedPath;
}

function isDirectory(stat: PathStat): boolean {
  // Bit 31 is Go's os.ModeDir; >>> because bitwise operators are signed.
  return stat.mode >>> 31 === 1;
}

/** Docker answers 400 to these, though its API document says 403. */
function readOnlyReason(access: FileAccess, path: string): string | undefined {
  const mount = access.mounts
    .filter(({ target }) => path === target || path.startsWith(`${target}/`))
    .sort((a, b) => b.target.length - a.target.length)[0];
  if (mount) return mount.readonly ? 'mounted volume is marked read-only' : undefined;
  return access.readonlyRootfs ? 'container rootfs is marked read-only' : undefined;
}

function asUnpackError(error: unknown): unknown {
  const { operation, code, message } = error as NativeError;
  if (operation === undefined) return error;
  if (code === 'EROFS') return invalid('mounted volume is marked read-only', error) satisfies GantryError;
  return internal(message, error);
}
