import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import type { Database } from 'better-sqlite3';

/** More than the 1000 pages after which SQLite writes its log (WAL) back into the database and begins it anew. */
const logPages = 1200;
/** What new rows can take without the database growing. */
const freePages = 200;

/**
 * Takes room on the disk for the log and for new rows. When containers have filled the disk, they can still be stopped and
 * removed, and what happened is still recorded. Neither file shrinks while the database is open; the log goes with the last
 * connection. A disk that is full already is no failure: then there is what there is.
 */
export function reserveRoom(database: Database): void {
  if (database.memory) return;
  const pageSize = Number(database.pragma('page_size', { simple: true }));
  try {
    reserveFreePages(database, pageSize);
    extendLog(`${database.name}-wal`, logPages * pageSize);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'SQLITE_FULL' && code !== 'ENOSPC') throw error;
  }
}

function reserveFreePages(database: Database, pageSize: number): void {
  if (Number(database.pragma('freelist_count', { simple: true })) >= freePages) return;
  try {
    database.exec('CREATE TABLE IF NOT EXISTS reserve (room BLOB)');
    database.prepare('INSERT INTO reserve VALUES (zeroblob(?))').run(2 * freePages * pageSize);
  } finally {
    database.exec('DROP TABLE IF EXISTS reserve');
  }
  database.pragma('wal_checkpoint(PASSIVE)');
  database.pragma('shrink_memory');
}

/** SQLite takes what lies behind its frames for those of an earlier round, and writes over it. */
function extendLog(path: string, size: number): void {
  const file = openSync(path, 'r+');
  try {
    const present = fstatSync(file).size;
    if (present < size) writeSync(file, Buffer.alloc(size - present), 0, size - present, present);
  } finally {
    closeSync(file);
  }
}
