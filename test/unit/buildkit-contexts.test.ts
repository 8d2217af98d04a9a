import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ContextStore } from '../../daemon/build/buildkit/context-store.js';
import { transferFiles, type TransferLimits, type TransferOptions } from '../../daemon/build/buildkit/file-transfer.js';
import type { ClientSession } from '../../daemon/build/buildkit/sessions.js';
import type { ContextTree } from '../../daemon/build/build-context.js';
import { fileMode } from '../../daemon/build/buildkit/packets.js';
import { addon } from '../../daemon/runtime/index.js';
import { BuildContextStore } from '../../daemon/store/build-contexts.js';
import { openDatabase, type Database } from '../../daemon/store/database.js';
import { BuildKitClient, type ClientFile, directory, file, symbolicLink } from '../support/buildkit-client.js';

const everything: TransferOptions = { directory: 'context', followPaths: [], excludes: [] };
const limits: TransferLimits = { entries: 100, bytes: 1024 * 1024 };
const never = new AbortController().signal;

let root: string;
let database: Database;
let store: ContextStore;
let client: BuildKitClient;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'gantry-contexts-'));
  database = openDatabase(join(root, 'gantry.db'));
  store = await newStore();
  client = new BuildKitClient([]);
});

afterEach(() => {
  client.close();
  database.close();
  rmSync(root, { recursive: true });
});

const owner = { uid: process.getuid!(), gid: process.getgid!() };

async function newStore(boot = 'boot'): Promise<ContextStore> {
  const made = new ContextStore(root, addon, owner, new BuildContextStore(database), undefined, boot);
  await made.collectGarbage();
  return made;
}

function open(session: ClientSession, options = everything, signal = never, into = store): Promise<ContextTree> {
  const { id, sharedKey } = session.offer;
  const origin = { session: id, sharedKey, directory: options.directory, selection: JSON.stringify(options) };
  return into.open(
    origin,
    (target, stop) => transferFiles(session, options, target, limits, () => undefined, stop),
    signal,
  );
}

/** Transfers what the client has and looks at it; the context is free again afterwards. */
async function transfer<Result>(look: (directory: string) => Result, session = client.session()): Promise<Result> {
  const tree = await open(session);
  try {
    return look(tree.directory);
  } finally {
    await tree.release();
  }
}

const keptTrees = (): string[] => readdirSync(join(root, 'build', 'contexts'));

describe('the files of a client', () => {
  test('come as they are', async () => {
    client.files = [
      file('a', 'text', { mode: 0o640, seconds: 1_700_000_000, nanoseconds: 5000 }),
      directory('d', { mode: fileMode.directory | 0o711, seconds: 1_600_000_000 }),
      file('d/large', 'x'.repeat(200_000)),
      file('d/setuid', '', { mode: fileMode.setuid | 0o755 }),
      symbolicLink('l', '/etc/passwd'),
      file('z', '', { link: 'a', size: 4 }),
    ];
    await transfer((tree) => {
      expect(readFileSync(join(tree, 'a'), 'utf8')).toBe('text');
      const a = statSync(join(tree, 'a'), { bigint: true });
      expect([a.mode & 0o7777n, a.mtimeNs, a.nlink]).toEqual([0o640n, 1_700_000_000_000_005_000n, 2n]);
      const d = statSync(join(tree, 'd'));
      expect([d.mode & 0o7777, d.mtimeMs]).toEqual([0o711, 1_600_000_000_000]);
      expect(readFileSync(join(tree, 'd', 'large')).length).toBe(200_000);
      expect(statSync(join(tree, 'd', 'setuid')).mode & 0o7777).toBe(0o4755);
      expect(readlinkSync(join(tree, 'l'))).toBe('/etc/passwd');
      expect(statSync(join(tree, 'z')).ino).toBe(Number(a.ino));
    });
  });

  test('come again only where they have changed', async () => {
    client.files = [
      directory('d'),
      file('d/a', 'one'),
      file('d/b', 'two'),
      file('gone', '1'),
      directory('was'),
      file('was/x', '2'),
    ];
    const first = await transfer((tree) => tree);
    client.requested = [];
    client.files = [directory('d'), file('d/a', 'one'), file('d/b', 'three', { seconds: 2 }), file('was', 'now')];
    const second = await transfer((tree) => {
      expect(readdirSync(tree)).toEqual(['d', 'was']);
      expect(readFileSync(join(tree, 'd', 'b'), 'utf8')).toBe('three');
      expect(readFileSync(join(tree, 'was'), 'utf8')).toBe('now');
      // What was written below it has not left its mark.
      expect(statSync(join(tree, 'd')).mtimeMs).toBe(1000);
      return tree;
    });
    expect(client.requested.sort()).toEqual(['d/b', 'was']);
    expect(second).toBe(first);
  });

  test('are asked for as the Dockerfile wants them, in ASCII', async () => {
    client.files = [file('ä', '')];
    const options = { directory: 'context', followPaths: ['ä', 'b c'], excludes: ['*.o', '!keep.o'] };
    await (await open(client.session(), options)).release();
    expect(client.transfers[0]).toMatchObject({
      'dir-name': 'context',
      followpaths: '%C3%A4, b%20c',
      'followpaths-encoded': '1',
      'exclude-patterns': '*.o, !keep.o',
    });
  });

  const escapes: [string, ClientFile[]][] = [
    ['a path above the context', [file('../x', 'x')]],
    ['an absolute path', [file('/x', 'x')]],
    ['a dot in the path', [directory('a'), file('a/./x', 'x')]],
    ['a path through a link', [symbolicLink('l', '/tmp'), file('l/x', 'x')]],
    ['a path through a file', [file('f', 'x'), file('f/x', 'x')]],
    ['a directory that was not named', [file('a/x', 'x')]],
    ['the same path twice', [directory('a'), symbolicLink('a', '/tmp')]],
    ['a hard link to a link', [symbolicLink('a', '/etc/passwd'), file('b', '', { link: 'a', size: 1 })]],
    ['a hard link to the outside', [file('b', '', { link: '../../gantry.db', size: 1 })]],
    ['a socket', [{ path: 's', mode: fileMode.socket | 0o666 }]],
    ['more files than are allowed', Array.from({ length: 101 }, (_, index) => file(`f${index}`, ''))],
    ['more bytes than are allowed', [file('f', 'x'.repeat(1024 * 1024 + 1))]],
  ];
  test.each(escapes)('are refused, and leave nothing: %s', async (_what, files) => {
    client.files = files;
    await expect(transfer(() => undefined)).rejects.toThrow(/client|build context/);
    expect(keptTrees()).toEqual([]);
  });

  test('that take a place where a link was before do not go where it leads', async () => {
    const outside = join(root, 'outside');
    client.files = [symbolicLink('l', outside)];
    await transfer(() => undefined);
    client.files = [directory('l', { seconds: 2 }), file('l/x', 'x')];
    await transfer((tree) => expect(lstatSync(join(tree, 'l')).isDirectory()).toBe(true));
    expect(existsSync(outside)).toBe(false);
  });
});

describe('trees that are kept', () => {
  beforeEach(() => (client.files = [file('a', 'one')]));

  test('are shared by the builds of a client, and nobody else', async () => {
    const session = client.session();
    const [one, same] = await Promise.all([open(session), open(session)]);
    const other = await open(client.session('other'));
    expect(same.directory).toBe(one.directory);
    expect(other.directory).not.toBe(one.directory);
    expect(client.transfers).toHaveLength(2);
    await one.release();
    expect(existsSync(same.directory)).toBe(true);
    await Promise.all([same.release(), other.release()]);
  });

  test('outlive the daemon, but not another boot', async () => {
    const before = await transfer((tree) => tree);
    store = await newStore();
    client.requested = [];
    expect(await transfer((tree) => tree)).toBe(before);
    expect(client.requested).toEqual([]);
    store = await newStore('another');
    expect(keptTrees()).toEqual([]);
  });

  test('are given up when a transfer breaks off in the middle', async () => {
    await transfer(() => undefined);
    client.files = [file('a', 'changed', { seconds: 5 }), file('../x', '')];
    await expect(transfer(() => undefined)).rejects.toThrow('invalid file');
    expect(keptTrees()).toEqual([]);
    client.files = [file('a', 'again')];
    await transfer((tree) => expect(readFileSync(join(tree, 'a'), 'utf8')).toBe('again'));
  });

  test('begin anew when their index is lost', async () => {
    const tree = await transfer((kept) => kept);
    writeFileSync(join(tree, '..', 'index.json'), '[[');
    await transfer((kept) => expect(readFileSync(join(kept, 'a'), 'utf8')).toBe('one'));
  });

  test('are none for a client that says nothing of who it is', async () => {
    await transfer(() => undefined, client.session('session', ''));
    expect(keptTrees()).toEqual([]);
  });

  test('make room for others', async () => {
    const bounded = new ContextStore(root, addon, owner, new BuildContextStore(database), {
      bytes: 4,
      milliseconds: 1e9,
    });
    for (const key of ['1', '2', '3']) {
      await (await open(client.session(key, key), everything, never, bounded)).release();
    }
    expect(bounded.list().map(({ key }) => key)).toEqual(['["context","3"]']);
    expect(keptTrees()).toHaveLength(1);
  });

  test('can be removed, unless a build reads them', async () => {
    const tree = await open(client.session());
    await tree.release();
    const [{ id } = { id: '' }] = store.list();
    const inUse = await open(client.session('again'));
    expect(await store.remove(id)).toBe(false);
    await inUse.release();
    expect(await store.remove(id)).toBe(true);
    expect(keptTrees()).toEqual([]);
  });
});

test('a build that is given up does not wait for its files', async () => {
  client.files = [file('a', 'one')];
  const stop = new AbortController();
  const session = client.session();
  stop.abort();
  await expect(open(session, everything, stop.signal)).rejects.toThrow('aborted');
});
