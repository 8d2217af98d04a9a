import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogFileReader } from '../../daemon/containers/log-file.js';

const line = (text: string): string =>
  `${JSON.stringify({ log: `${text}\n`, stream: 'stdout', time: '2026-01-01T00:00:00Z' })}\n`;

describe('reading a log', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-log-'));
    path = join(directory, 'x.log');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const drain = (reader: LogFileReader): string[] => {
    const texts: string[] = [];
    for (let entries = reader.read(); entries.length > 0; entries = reader.read()) {
      texts.push(...entries.map(({ log }) => log.trimEnd()));
    }
    return texts;
  };

  test('rotated files are read oldest first', () => {
    writeFileSync(`${path}.2`, line('1'));
    writeFileSync(`${path}.1`, line('2'));
    writeFileSync(path, line('3'));
    const reader = new LogFileReader(path);
    reader.openOldest();
    expect(drain(reader)).toEqual(['1', '2', '3']);
    reader.close();
  });

  test.each([
    [1, ['5']],
    [2, ['4', '5']],
    [4, ['2', '3', '4', '5']],
    [9, ['1', '2', '3', '4', '5']],
  ])('the last %d lines, across files', (count, expected) => {
    writeFileSync(`${path}.1`, line('1') + line('2') + line('3'));
    writeFileSync(path, line('4') + line('5'));
    const reader = new LogFileReader(path);
    reader.openTail(count);
    expect(drain(reader)).toEqual(expected);
    reader.close();
  });

  test('a rotation while reading loses nothing and repeats nothing', () => {
    writeFileSync(path, line('1'));
    const reader = new LogFileReader(path);
    reader.openOldest();
    expect(drain(reader)).toEqual(['1']);
    appendFileSync(path, line('2'));
    renameSync(path, `${path}.1`);
    writeFileSync(path, line('3'));
    expect(drain(reader)).toEqual(['2', '3']);
    reader.close();
  });

  test('half a line is kept for the next read, and a character cut in two is whole again', () => {
    const record = Buffer.from(line('grüße'));
    const cut = record.indexOf(0xc3) + 1;
    writeFileSync(path, record.subarray(0, cut));
    const reader = new LogFileReader(path);
    reader.openOldest();
    expect(drain(reader)).toEqual([]);
    appendFileSync(path, record.subarray(cut));
    expect(drain(reader)).toEqual(['grüße']);
    reader.close();
  });

  test('a damaged line does not hide the others', () => {
    writeFileSync(path, line('1') + '{"log":"half\n' + line('2'));
    const reader = new LogFileReader(path);
    reader.openOldest();
    expect(drain(reader)).toEqual(['1', '2']);
    reader.close();
  });
});
