import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError } from '../errors.js';
import type { Addon } from '../runtime/addon.js';
import { parseGitUrl } from './git-url.js';

export interface CheckedOut {
  /** Where the files are. */
  directory: string;
  commit: string;
}

/**
 * Fetches one commit of a repository, with its submodules. git is the host's; nothing of a repository is executed.
 *
 * @param directory new and empty
 * @throws GantryError with what git says
 */
export async function checkOut(
  addon: Addon,
  url: string,
  directory: string,
  { keepGitDirectory }: { keepGitDirectory: boolean },
  signal: AbortSignal,
): Promise<CheckedOut> {
  const { remote, reference, subdirectory } = parseGitUrl(url);
  const tree = join(directory, 'tree');
  mkdirSync(tree);
  const git: Git = (...args) => run(['-C', tree, ...args], url, signal);
  await git('init', '--quiet');
  await git('remote', 'add', 'origin', remote);
  await fetchCommit(git, reference);
  await git('checkout', '--quiet', '--force', 'FETCH_HEAD');
  const commit = (await git('rev-parse', 'HEAD')).trim();
  await shallow(git, ['submodule', 'update', '--quiet', '--init', '--recursive']);
  if (!keepGitDirectory) await rm(join(tree, '.git'), { recursive: true, force: true });
  if (subdirectory === '') return { directory: tree, commit };
  // A link in the repository must not lead out of it.
  const { resolvedPath, linkTarget } = await addon.statPath({ kind: 'directory', path: tree }, subdirectory);
  return { directory: join(tree, linkTarget || resolvedPath), commit };
}

type Git = (...args: string[]) => Promise<string>;

/** Without the history, unless the server has nothing but files to hand out. */
async function shallow(git: Git, [command, ...args]: [string, ...string[]]): Promise<void> {
  const depth = command === 'submodule' ? [...args, '--depth=1'] : ['--depth=1', ...args];
  try {
    await git(command, ...depth);
  } catch (error) {
    if (!/does not support shallow/.test((error as Error).message)) throw error;
    await git(command, ...args);
  }
}

/** Only what is needed, where the server lets one ask for that. */
async function fetchCommit(git: Git, reference: string): Promise<void> {
  try {
    await shallow(git, ['fetch', '--quiet', 'origin', reference || 'HEAD']);
  } catch (error) {
    // A shortened commit, or a server that does not serve commits by name.
    if (!/^[0-9a-f]{7,40}$/.test(reference)) throw error;
    await git('fetch', '--quiet', 'origin', '+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*');
    await git('update-ref', 'FETCH_HEAD', `${reference}^{commit}`);
  }
}

function run(args: string[], url: string, signal: AbortSignal): Promise<string> {
  const options = [
    '-c',
    'core.hooksPath=/dev/null',
    '-c',
    'protocol.file.allow=never',
    '-c',
    'protocol.ext.allow=never',
  ];
  const env = {
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ASKPASS: '/bin/false',
    GIT_SSH_COMMAND: 'ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new',
    LC_ALL: 'C',
  };
  return new Promise((resolve, reject) => {
    execFile('git', [...options, ...args], { env, signal, maxBuffer: 1 << 22 }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      if (signal.aborted) return reject(new Error('the build was stopped', { cause: error }));
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const reason = isMissing ? 'git is not installed on the host of the engine' : stderr.trim() || error.message;
      reject(new GantryError('remote', `failed to fetch ${url}: ${reason}`, { cause: error }));
    });
  });
}
