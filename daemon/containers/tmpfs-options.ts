import { invalid } from '../errors.js';
import { propagations } from './mount-path.js';

const flags = new Set([
  'async', 'atime', 'defaults', 'dev', 'diratime', 'dirsync', 'exec', 'mand', 'noatime', 'nodev', 'nodiratime', 'noexec',
  'nomand', 'norelatime', 'nostrictatime', 'nosuid', 'relatime', 'ro', 'rw', 'strictatime', 'suid', 'sync', ...propagations,
]); // prettier-ignore
const parameters = new Set(['gid', 'mode', 'mpol', 'nr_blocks', 'nr_inodes', 'size', 'uid']);

/** Checks the words of `--tmpfs /path:size=64m,exec`. @throws GantryError invalid, naming the first that tmpfs does not have */
export function validateTmpfsOptions(options: string): void {
  for (const option of options.split(',').filter(Boolean)) {
    const [name = '', value] = option.split('=', 2);
    if (value === undefined ? !flags.has(name) : !parameters.has(name))
      throw invalid(`invalid tmpfs option "${option}"`);
  }
}
