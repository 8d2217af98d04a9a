import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockDataRoot } from '../../daemon/data-root-lock.js';
import { makeDirectories } from '../../daemon/make-directories.js';
import { openDatabase } from '../../daemon/store/database.js';

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
