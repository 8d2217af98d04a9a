import { posix } from 'node:path';

/** The patterns of a .dockerignore, as clients take them: without comments, each in one spelling. */
export function readIgnorePatterns(text: string): string[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map(cleaned);
}

function cleaned(line: string): string {
  const exception = line.startsWith('!') ? '!' : '';
  const pattern = line.slice(exception.length).trim();
  if (pattern === '') return exception;
  const path = posix.normalize(pattern).replace(/(?<=.)\/+$/, '');
  return exception + (path.length > 1 ? path.replace(/^\/+/, '') : path);
}
