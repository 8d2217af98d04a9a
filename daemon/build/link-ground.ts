import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { Addon, CopyItem, NativeError, Root } from '../runtime/addon.js';
import { isDirectory, permissions } from './buildkit/file-types.js';

/** A directory on the way to where a linked step copies. Ids are those on the disk. */
export interface GroundDirectory {
  path: string;
  mode: number;
  uid: number;
  gid: number;
}

/**
 * What a linked step takes over of the layers below it: the directories on the way, each behind the one that it is in. What is a
 * link below is none of them: a linked step makes a directory in its place.
 */
export async function linkGround(
  addon: Pick<Addon, 'statPath'>,
  root: Root,
  items: readonly CopyItem[],
): Promise<GroundDirectory[]> {
  const ground = new Map<string, GroundDirectory>();
  for (const path of onTheWay(items)) {
    const parent = posix.dirname(path);
    if (parent !== '/' && !ground.has(parent)) continue;
    const directory = await directoryAt(addon, root, path);
    if (directory) ground.set(path, directory);
  }
  return [...ground.values()];
}

/** Makes them in a layer that has nothing yet, so that no name can be a link. */
export function makeGround(layer: string, ground: readonly GroundDirectory[]): void {
  for (const { path, mode, uid, gid } of ground) {
    const place = join(layer, path);
    mkdirSync(place);
    chownSync(place, uid, gid);
    chmodSync(place, mode);
  }
}

/** "/a/b" leads through "/a", and is the end of the way itself if it is a directory. */
function onTheWay(items: readonly CopyItem[]): string[] {
  const paths = new Set<string>();
  for (const { to } of items) {
    for (let path = posix.resolve(to); path !== '/'; path = posix.dirname(path)) paths.add(path);
  }
  return [...paths].sort((one, other) => one.length - other.length);
}

async function directoryAt(
  addon: Pick<Addon, 'statPath'>,
  root: Root,
  path: string,
): Promise<GroundDirectory | undefined> {
  try {
    const { mode, uid, gid } = await addon.statPath(root, path);
    return isDirectory(mode) ? { path, mode: permissions(mode), uid, gid } : undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NativeError).code)) return undefined;
    throw error;
  }
}
