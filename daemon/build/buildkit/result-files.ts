import { posix } from 'node:path';
import type { Stat } from '../../generated/rpc/fsutil/types/Stat.js';
import type { Addon, PathStat, Root } from '../../runtime/addon.js';
import type { BuildResult } from '../build-result.js';

/** Larger files are not for front ends to read. */
const maximumFile = 16 * 1024 * 1024;

/** The files of what has been built, for a front end that looks into it. */
export class ResultFiles {
  constructor(readonly addon: Pick<Addon, 'statPath' | 'readFile' | 'findPaths'>) {}

  read(result: BuildResult, path: string): Promise<Buffer> {
    return this.addon.readFile(rootOf(result), path, maximumFile);
  }

  async stat(result: BuildResult, path: string): Promise<Stat> {
    return described(await this.addon.statPath(rootOf(result), path), posix.basename(path));
  }

  async list(result: BuildResult, path: string, pattern: string): Promise<Stat[]> {
    const root = rootOf(result);
    const [found = []] = await this.addon.findPaths(root, [posix.join(path, pattern)]);
    return Promise.all(
      found.map(async (entry) => described(await this.addon.statPath(root, entry), posix.basename(entry))),
    );
  }
}

const rootOf = ({ layerDirectories }: BuildResult): Root => ({
  kind: 'overlay',
  lower: [...layerDirectories],
  binds: [],
});

function described({ size, mode, mtime, linkTarget }: PathStat, path: string): Stat {
  return { path, mode, size, modifiedAt: Date.parse(mtime) * 1_000_000, linkName: linkTarget };
}
