import { readFileSync } from 'node:fs';

/** What a shim leaves behind about a run: docs/shim-protocol.md. */
export interface ExitRecord {
  exitCode: number;
  oomKilled: boolean;
  startedAt: string;
  finishedAt: string;
}

/** The exit record at `path`, or undefined if there is none (a shim that was killed leaves none). */
export function readExitRecord(path: string): ExitRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ExitRecord;
  } catch {
    return undefined;
  }
}
