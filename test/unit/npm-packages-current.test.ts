import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const script = resolve(import.meta.dirname, '../../../scripts/npm-packages-current.mjs');
let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-npm-'));
  mkdirSync(join(directory, 'node_modules'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function isCurrent(wanted: Record<string, object>, present: Record<string, object>): boolean {
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...wanted } }));
  writeFileSync(join(directory, 'node_modules/.package-lock.json'), JSON.stringify({ packages: present }));
  return spawnSync(process.execPath, [script], { cwd: directory }).status === 0;
}

const here = { version: '1.0.0', optional: true, os: [process.platform], cpu: [process.arch] };

test('what is there in another version, or not there, is to be installed', () => {
  expect(isCurrent({ a: { version: '1.0.0' } }, { a: { version: '1.0.0' } })).toBe(true);
  expect(isCurrent({ a: { version: '1.0.1' } }, { a: { version: '1.0.0' } })).toBe(false);
  expect(isCurrent({ a: { version: '1.0.0' } }, {})).toBe(false);
  expect(isCurrent({ native: here }, {})).toBe(false);
});

test('what npm leaves out on this platform is not', () => {
  expect(isCurrent({ other: { ...here, cpu: ['s390x'] } }, {})).toBe(true);
  // The npm of Debian 13 leaves out what only a left-out package needs.
  expect(isCurrent({ runtime: { version: '1.0.0', optional: true } }, {})).toBe(true);
});
