import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { extract, type Header, pack } from 'tar-stream';
import { encodePathStat, getArchive, headArchive, putArchive } from '../../daemon/containers/archive.js';
import type { FileAccess } from '../../daemon/containers/file-access.js';
import { addon } from '../../daemon/runtime/index.js';
import { IdMapping } from '../../daemon/userns/id-mapping.js';

let scratch = '';
let root = '';
let access: FileAccess;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'gantry-archive-unit-'));
  root = join(scratch, 'root');
  mkdirSync(join(root, 'etc/sub'), { recursive: true });
  mkdirSync(join(root, 'volume'));
  writeFileSync(join(root, 'etc/hosts'), 'hosts\n');
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65533::/:/bin/sh\n');
  symlinkSync('/etc/sub', join(root, 'link'));
  symlinkSync('/nowhere', join(root, 'dangling'));
  symlinkSync('loop', join(root, 'loop'));
  const directory = { kind: 'directory', path: root } as const;
  access = {
    addon,
    name: 'box',
    readRoot: directory,
    writeRoot: directory,
    readonlyRootfs: false,
    mounts: [{ target: '/volume', readonly: true }],
    user: '',
    mapping: IdMapping.identity,
  };
});

afterEach(() => {
  rmSync(scratch, { recursive: true, force: true });
});

type Entry = [Partial<Header> & { name: string }, string?];

function archiveOf(...entries: Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const [header, content] of entries) archive.entry(header, content ?? '');
  archive.finalize();
  return buffer(archive);
}

async function names(archive: Readable): Promise<string[]> {
  const found: string[] = [];
  const reader = extract();
  archive.on('error', (error) => reader.destroy(error)).pipe(reader);
  for await (const entry of reader) {
    found.push(entry.header.name);
    entry.resume();
  }
  return found;
}

const put = (path: string, bytes: Buffer, options = {}): Promise<void> =>
  putArchive(access, path, Readable.from([bytes]), options);

const descriptors = (): number => readdirSync('/proc/self/fd').length;

/** Closing is not instantaneous on the other side. */
async function expectDescriptors(expected: number): Promise<void> {
  for (let i = 0; i < 100 && descriptors() > expected; i++) await sleep(20);
  expect(descriptors()).toBeLessThanOrEqual(expected);
}

describe('what is at a path', () => {
  test.each([
    ['/', '/'],
    ['.', '.'],
    ['/etc', 'etc'],
    ['etc/', 'etc'],
    ['/etc/.', '.'],
    ['/etc/../etc/hosts', 'hosts'],
    ['../../etc', 'etc'],
    ['link', 'link'],
    ['/link/', 'link'],
  ])('%s is named %s', async (path, name) => {
    expect((await headArchive(access, path)).name).toBe(name);
  });

  test('a link is not followed, and its target is one inside the container', async () => {
    const stat = await headArchive(access, '/link');
    expect(stat).toMatchObject({ linkTarget: '/etc/sub', size: 8 });
    expect(stat.mode & 0x08000000).not.toBe(0);
    expect((await headArchive(access, '/dangling')).linkTarget).toBe('/nowhere');
  });

  test('the header has the members that clients decode, in JSON and base64', async () => {
    const header = JSON.parse(
      Buffer.from(encodePathStat(await headArchive(access, '/etc/hosts')), 'base64').toString(),
    ) as object;
    expect(Object.keys(header)).toEqual(['name', 'size', 'mode', 'mtime', 'linkTarget']);
    expect(header).toMatchObject({ name: 'hosts', size: 6, mode: 0o644, linkTarget: '' });
  });

  test.each([
    ['', 'invalid', 'bad parameter'],
    ['/nope', 'not-found', 'Could not find the file /nope in container box'],
    ['/dangling/', 'not-found', 'Could not find the file /dangling/ in container box'],
    ['/etc/hosts/', 'internal', 'not a directory'],
    ['/etc/hosts/x', 'internal', 'not a directory'],
    ['/loop', 'internal', 'too many levels of symbolic links'],
  ])('%j is an error: %s', async (path, kind, message) => {
    await expect(headArchive(access, path)).rejects.toMatchObject({ kind, message: expect.stringContaining(message) });
  });
});

describe('out of a container', () => {
  test.each([
    ['/etc', ['etc/', 'etc/hosts', 'etc/passwd', 'etc/sub/']],
    ['/etc/.', ['./', './hosts', './passwd', './sub/']],
    ['/etc/hosts', ['hosts']],
    ['/link', ['link']],
    ['/link/', ['link/']],
  ])('%s', async (path, expected) => {
    const { stream } = await getArchive(access, path);
    expect(await names(stream)).toEqual(expected);
  });

  test('a reader that goes away ends the work and leaves nothing open', async () => {
    writeFileSync(join(root, 'large'), Buffer.alloc(8 << 20));
    const before = descriptors();
    for (let i = 0; i < 5; i++) {
      const { stream } = await getArchive(access, '/');
      if (i > 0) await new Promise((resolve) => stream.once('data', resolve));
      stream.destroy();
    }
    await expectDescriptors(before);
  });

  test('failing half-way is an error of the stream, not its end', async () => {
    const broken: FileAccess = {
      ...access,
      addon: {
        ...addon,
        pack: async (_root, _path, output) => {
          addon.closeDescriptor(output);
          throw new Error('half-way');
        },
      },
    };
    const { stream } = await getArchive(broken, '/etc');
    await expect(buffer(stream)).rejects.toThrow('half-way');
  });
});

describe('into a container', () => {
  test('files with their owners, modes and times', async () => {
    const mtime = new Date('2020-02-03T04:05:06Z');
    await put(
      '/link',
      await archiveOf(
        [{ name: 'f', mode: 0o4750, uid: 12, gid: 34, mtime }, 'content'],
        [{ name: 'd/', type: 'directory' }],
      ),
    );
    const stat = lstatSync(join(root, 'etc/sub/f'));
    expect([stat.uid, stat.gid, stat.mode & 0o7777, stat.mtime]).toEqual([12, 34, 0o4750, mtime]);
    expect(readFileSync(join(root, 'etc/sub/f'), 'utf8')).toBe('content');
  });

  test('an empty archive is fine', async () => {
    await put('/etc', Buffer.alloc(0));
  });

  test.each([
    ['/nope', 'not-found', 'Could not find the file /nope in container box'],
    ['/dangling', 'not-found', 'Could not find the file /dangling in container box'],
    ['/etc/hosts', 'invalid', 'extraction point is not a directory'],
    ['/volume', 'invalid', 'mounted volume is marked read-only'],
  ])('%s: %s', async (path, kind, message) => {
    await expect(put(path, await archiveOf([{ name: 'f' }]))).rejects.toMatchObject({ kind, message });
  });

  test('a read-only root refuses, a writable volume in it does not', async () => {
    access.readonlyRootfs = true;
    access.mounts = [{ target: '/volume', readonly: false }];
    const archive = await archiveOf([{ name: 'f' }]);
    await expect(put('/etc', archive)).rejects.toThrow('container rootfs is marked read-only');
    await put('/volume', archive);
    expect(existsSync(join(root, 'volume/f'))).toBe(true);
  });

  test('directories and files do not replace each other when asked', async () => {
    const archive = await archiveOf([{ name: 'sub' }, 'now a file']);
    await expect(put('/etc', archive, { noOverwriteDirNonDir: true })).rejects.toThrow(
      'cannot overwrite directory "sub" with non-directory',
    );
    await put('/etc', archive);
    expect(readFileSync(join(root, 'etc/sub'), 'utf8')).toBe('now a file');
  });

  test.each([
    ['nobody', 65534, 65533],
    ['nobody:7', 65534, 7],
    ['65534', 65534, 65533],
    ['1234', 1234, 0],
  ])('copyUIDGID with the user %s', async (user, uid, gid) => {
    access.user = user;
    await put('/etc', await archiveOf([{ name: 'f', uid: 1, gid: 2 }]), { copyUIDGID: true });
    const stat = lstatSync(join(root, 'etc/f'));
    expect([stat.uid, stat.gid]).toEqual([uid, gid]);
  });

  test('copyUIDGID with a user that does not exist', async () => {
    access.user = 'absent';
    await expect(put('/etc', await archiveOf([{ name: 'f' }]), { copyUIDGID: true })).rejects.toThrow(
      'unable to find user absent: no matching entries in passwd file',
    );
  });

  test('hostile archives are refused by name and touch nothing outside', async () => {
    await expect(put('/etc', await archiveOf([{ name: '../../evil' }, 'x']))).rejects.toThrow(
      'invalid entry name "../../evil"',
    );
    await put('/etc', await archiveOf([{ name: 's', type: 'symlink', linkname: scratch }]));
    await expect(put('/etc', await archiveOf([{ name: 's/evil' }, 'x']))).rejects.toThrow();
    expect(readdirSync(scratch)).toEqual(['root']);
    await expect(put('/etc', Buffer.alloc(4096, 'r'))).rejects.toThrow('invalid tar header');
  });

  test('a truncated archive is an error', async () => {
    const archive = await archiveOf([{ name: 'f' }, 'x'.repeat(5000)]);
    await expect(put('/etc', archive.subarray(0, 2000))).rejects.toThrow('unexpected EOF');
  });

  test('a body that breaks off is an error even when what came was complete', async () => {
    const body = new PassThrough();
    body.write(await archiveOf([{ name: 'f' }, 'x']));
    const result = putArchive(access, '/etc', body);
    await sleep(50);
    body.destroy(new Error('the client has gone'));
    await expect(result).rejects.toThrow('the client has gone');
  });

  test('a refused archive leaves the body alive, and nothing is open afterwards', async () => {
    const before = descriptors();
    const body = new PassThrough();
    body.write(Buffer.alloc(4 << 20, 'r'));
    await expect(putArchive(access, '/etc', body)).rejects.toThrow('invalid tar header');
    expect(body.destroyed).toBe(false);
    body.destroy();
    await expectDescriptors(before);
  });

  test('large bodies pass with back-pressure', async () => {
    const size = 48 << 20;
    const archive = await archiveOf([{ name: 'large' }, 'x'.repeat(size)]);
    const pieces = Array.from({ length: Math.ceil(archive.length / 100_000) }, (_, i) =>
      archive.subarray(i * 100_000, (i + 1) * 100_000),
    );
    await putArchive(access, '/etc', Readable.from(pieces));
    expect(lstatSync(join(root, 'etc/large')).size).toBe(size);
  });
});
