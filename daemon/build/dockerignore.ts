import type { Addon, NativeError, Root } from '../runtime/addon.js';

const maxBytes = 4 * 1024 * 1024;

/** The patterns of a context: those beside the Dockerfile ("app.Dockerfile.dockerignore") go before the general ones. */
export async function readIgnorePatterns(addon: Addon, root: Root, dockerfile: string): Promise<string[]> {
  for (const path of [`${dockerfile}.dockerignore`, '.dockerignore']) {
    try {
      return parseIgnoreFile((await addon.readFile(root, path, maxBytes)).toString('utf8'));
    } catch (error) {
      if ((error as NativeError).code !== 'ENOENT') throw error;
    }
  }
  return [];
}

/** One pattern a line; comments and blank lines do not count, and all patterns start at the top. */
export function parseIgnoreFile(text: string): string[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '!')
    .map((line) => {
      const isException = line.startsWith('!');
      const pattern = (isException ? line.slice(1).trim() : line).replace(/^\/+/, '');
      return `${isException ? '!' : ''}${pattern}`;
    })
    .filter((pattern) => pattern !== '' && pattern !== '!');
}
