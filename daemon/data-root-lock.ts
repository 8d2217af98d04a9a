import { join } from 'node:path';
// eslint-disable-next-line no-restricted-imports -- a lock that the kernel releases, no SQL of the engine
import SQLite, { type Database } from 'better-sqlite3';
import { makeDirectories } from './make-directories.js';

/**
 * Makes sure that one daemon at a time works in a data root. The lock is SQLite's own, on a file beside the database, so the
 * kernel lets go of it however the daemon ends.
 * @returns the lock, held for as long as it is referenced
 * @throws Error naming the directory when another daemon holds it, or nothing can be written there
 */
export function lockDataRoot(dataRoot: string): Database {
  makeDirectories(dataRoot, 0o711);
  try {
    const lock = new SQLite(join(dataRoot, 'lock.db'), { timeout: 0 });
    lock.pragma('locking_mode = EXCLUSIVE');
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    throw new Error(explanation(dataRoot, error), { cause: error });
  }
}

function explanation(dataRoot: string, error: unknown): string {
  const isHeld = (error as NodeJS.ErrnoException).code?.startsWith('SQLITE_BUSY');
  if (!isHeld) return `cannot lock the data root with ${join(dataRoot, 'lock.db')}`;
  return `another gantryd uses the data root ${dataRoot}: stop it, or give this one its own --data-root`;
}
