import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Writes files below a directory, with the directories that they need. @returns the path of the last one */
export function writeFiles(directory: string, files: Record<string, string | Buffer>): string {
  let path = directory;
  for (const [name, content] of Object.entries(files)) {
    path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  return path;
}
