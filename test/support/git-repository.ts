import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { writeFiles } from './write-files.js';

const environment = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.com',
};

/** A git repository of a test, with a branch called `main`. Its methods wait for git: nothing in this process can answer it. */
export class GitRepository {
  constructor(readonly path: string) {
    mkdirSync(path, { recursive: true });
    this.git('init', '--quiet', '--initial-branch=main');
  }

  git(...args: string[]): string {
    const options = { cwd: this.path, env: environment, encoding: 'utf8' as const, timeout: 20_000 };
    return execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], options).trim();
  }

  /** @returns the commit */
  commit(files: Record<string, string>): string {
    writeFiles(this.path, files);
    this.git('add', '--all');
    this.git('commit', '--quiet', '--allow-empty', '--message', 'change');
    return this.git('rev-parse', 'HEAD');
  }

  /** Makes a copy that a web server can hand out as plain files. */
  publish(path: string): void {
    this.git('clone', '--quiet', '--bare', this.path, path);
    this.git('-C', path, 'update-server-info');
  }
}
