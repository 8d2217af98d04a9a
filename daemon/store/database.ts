import SQLite from 'better-sqlite3';
import { migrations } from './migrations/index.js';
import { reserveRoom } from './reserve.js';

export type Database = SQLite.Database;

/**
 * Opens the database, creating it if absent, and brings its schema up to date.
 *
 * WAL with synchronous=NORMAL survives `kill -9` at any instant without an fsync per transaction; a power loss can undo
 * the newest transactions but never tears one.
 *
 * @throws Error naming the file when it cannot be used, or was written by a newer Gantry
 */
export function openDatabase(path: string): Database {
  try {
    const database = new SQLite(path);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = ON');
    database.pragma('busy_timeout = 5000');
    migrate(database, path);
    reserveRoom(database);
    return database;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('SQLITE_'))
      throw new Error(`cannot use the database ${path}`, { cause: error });
    throw error;
  }
}

function migrate(database: Database, path: string): void {
  const current = Number(database.pragma('user_version', { simple: true }));
  if (current > migrations.length) {
    throw new Error(
      `${path} has schema version ${current}, this gantryd knows ${migrations.length}: start the newer gantryd that wrote it`,
    );
  }
  for (let version = current; version < migrations.length; version++) {
    database.transaction(() => {
      database.exec(migrations[version] ?? '');
      database.pragma(`user_version = ${version + 1}`);
    })();
  }
}
