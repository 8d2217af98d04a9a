import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
// eslint-disable-next-line no-restricted-imports -- a lock that the kernel releases, no SQL of the engine
import SQLite, { type Database } from 'better-sqlite3';

/**
 * Makes sure that one daemon at a time works in a data root. The lock is SQLite's own, on a file beside the database, so the
 * kernel lets go of it however the daemon ends.
 * @returns the lock, held for as long as it is referenced
 * @throws Error naming the directory when another daemon holds it
 */
export function lockDataRoot(dataRoot: string): Database {
  mkdirSync(dataRoot, { recursive: true, mode: 0o711 });
  const lock = new SQLite(join(dataRoot, 'lock.db'), { timeout: 0 });
  try {
    lock.pragma('locking_mode = EXCLUSIVE');
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    throw new Error(`another gantryd uses the data root ${dataRoot}: stop it, or give this one its own --data-root`, {
      cause: error,
    });
  }
  return lock;
}
