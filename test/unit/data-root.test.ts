import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockDataRoot } from '../../daemon/data-root-lock.js';
import { makeDirectories } from '../../daemon/make-directories.js';
import { openDatabase } from '../../daemon/store/database.js';
import { EventStore } from '../../daemon/store/events.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gantry-data-root-'));
});
afterEach(() => rmSync(root, { recursive: true }));

test('one daemon at a time holds a data root, and says so; what else is wrong is not taken for another daemon', () => {
  const lock = lockDataRoot(join(root, 'deep', 'own'));
  expect(() => lockDataRoot(join(root, 'deep', 'own'))).toThrow(/another gantryd uses the data root .*\/deep\/own/);
  lock.close();
  lockDataRoot(join(root, 'deep', 'own')).close();

  writeFileSync(join(root, 'lock.db'), 'not a database, and longer than the header of one');
  expect(() => lockDataRoot(root)).toThrow(`cannot lock the data root with ${join(root, 'lock.db')}`);
});

test('a database that cannot be used is named', () => {
  writeFileSync(join(root, 'damaged.db'), 'not a database, and longer than the header of one');
  mkdirSync(join(root, 'directory.db'));
  for (const name of ['damaged.db', 'directory.db'])
    expect(() => openDatabase(join(root, name))).toThrow(join(root, name));
});

test('missing directories are made, and the topmost of them is told', () => {
  expect(makeDirectories(join(root, 'a', 'b', 'c'))).toBe(join(root, 'a'));
  expect(makeDirectories(join(root, 'a', 'b', 'd'))).toBe(join(root, 'a', 'b', 'd'));
  expect(makeDirectories(join(root, 'a', 'b'))).toBeUndefined();
  expect(makeDirectories('/')).toBeUndefined();
});

test('where no directory can be made, that is told at once', () => {
  writeFileSync(join(root, 'file'), '');
  symlinkSync('nowhere', join(root, 'link'));
  expect(() => makeDirectories(join(root, 'file', 'below'))).toThrow('ENOTDIR');
  expect(() => makeDirectories(join(root, 'file'))).toThrow('EEXIST');
  expect(() => makeDirectories(join(root, 'link', 'below'))).toThrow('EEXIST');
  expect(() => makeDirectories('/proc/nowhere')).toThrow('ENOENT');
});

test('on a full disk the database takes what a daemon has to write all the same', () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', root]);
  try {
    const path = join(root, 'gantry.db');
    // As after a clean stop, when the log has gone.
    openDatabase(path).close();
    const database = openDatabase(path);
    fillDisk(root);
    const events = new EventStore(database);
    const event = {
      type: 'container',
      action: 'die',
      actorId: 'f'.repeat(64),
      attributes: {},
      scope: 'local' as const,
    };
    for (let time = 0n; time < 3000n; time++) events.insert({ ...event, time });
    database.close();
    const again = openDatabase(path);
    expect(again.pragma('integrity_check', { simple: true })).toBe('ok');
    again.close();
  } finally {
    execFileSync('umount', ['--lazy', root]);
  }
});

function fillDisk(directory: string): void {
  const file = openSync(join(directory, 'filler'), 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
  } finally {
    closeSync(file);
  }
}
