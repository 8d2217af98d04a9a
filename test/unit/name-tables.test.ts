import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NameTables } from '../../daemon/networks/name-tables.js';

describe('name tables', () => {
  let execRoot: string;
  let tables: NameTables;
  beforeEach(() => {
    execRoot = mkdtempSync(join(tmpdir(), 'gantry-names-'));
    tables = new NameTables(execRoot);
  });
  afterEach(() => rmSync(execRoot, { recursive: true }));

  function published(network: string, names: [string, string[]][], reverse: [string, string][] = []): string[] {
    tables.publish('n1', { network, names: new Map(names), reverse: new Map(reverse) });
    return readFileSync(join(execRoot, 'networks/n1.names'), 'latin1').split('\n');
  }
  const keys = (lines: string[]): string[] => lines.slice(1, -1).map((line) => line.split(' ')[0]!);

  test('names and addresses, one line each, in the order of their bytes', () => {
    expect(
      published(
        'Front',
        [
          ['web', ['172.18.0.2', 'fd00::2']],
          ['Db.main', ['172.18.0.3']],
          ['db', ['172.18.0.3']],
          ['db-2', ['172.18.0.4']],
        ],
        [
          ['172.18.0.2', 'web.Front'],
          ['FD00:0:0:0::2', 'web.Front'],
        ],
      ),
    ).toEqual([
      'network front',
      '@172.18.0.2 web.Front',
      '@fd00::2 web.Front',
      'db 172.18.0.3',
      'db-2 172.18.0.4',
      'db.main 172.18.0.3',
      'web 172.18.0.2 fd00::2',
      '',
    ]);
  });

  test('letters beyond ASCII are sorted as UTF-8, and their case is left alone', () => {
    const lines = published('n', [
      ['\u{1f600}', ['1.1.1.1']],
      ['\uffee', ['1.1.1.2']],
      ['É', ['1.1.1.3']],
      ['z', ['1.1.1.4']],
    ]);
    expect(keys(lines).map((key) => Buffer.from(key, 'latin1').toString())).toEqual(['z', 'É', '\uffee', '\u{1f600}']);
  });

  test('names that differ by case are one', () => {
    expect(
      published('n', [
        ['Web', ['1.1.1.1', '1.1.1.2']],
        ['web', ['1.1.1.2', '1.1.1.3']],
      ]),
    ).toContain('web 1.1.1.1 1.1.1.2 1.1.1.3');
  });

  test.each(['', 'a b', 'a\nb 9.9.9.9', 'a\\b', '@10.0.0.1', '\0', '\x7f', 'x'.repeat(254)])(
    '%j cannot be asked for and gets no line',
    (name) =>
      expect(
        keys(
          published('n', [
            [name, ['1.1.1.1']],
            ['__proto__', ['1.1.1.1']],
          ]),
        ),
      ).toEqual(['__proto__']),
  );

  test('nothing but the file is left, and nothing once it is removed', () => {
    published('n', []);
    published('n', [['web', ['1.1.1.1']]]);
    expect(readdirSync(join(execRoot, 'networks'))).toEqual(['n1.names']);
    tables.remove('n1');
    tables.remove('n1');
    expect(readdirSync(join(execRoot, 'networks'))).toEqual([]);
  });

  test('a resolver is told its networks in order, links, and whom to ask', () => {
    tables.resolver(execRoot, {
      networks: ['n2', 'n1'],
      links: new Map([['DB', 'Postgres']]),
      servers: [{ address: '10.0.0.1', fromHost: true }],
      options: ['ndots:3', 'timeout:1'],
      internal: false,
    });
    expect(JSON.parse(readFileSync(join(execRoot, 'dns.json'), 'utf8'))).toEqual({
      networks: [join(execRoot, 'networks/n2.names'), join(execRoot, 'networks/n1.names')],
      links: { db: 'postgres' },
      servers: [{ address: '10.0.0.1', fromHost: true }],
      searchFirst: true,
      internal: false,
    });
    tables.removeResolver(execRoot);
    tables.removeResolver(execRoot);
    expect(readdirSync(execRoot)).toEqual(['networks']);
  });

  test.each([
    [['ndots:0'], false],
    [['ndots:2', 'ndots:0'], false],
    [['rotate'], false],
    [['ndots:1'], true],
  ])('%j searches first: %j', (options, searchFirst) => {
    tables.resolver(execRoot, { networks: [], links: new Map(), servers: [], options, internal: false });
    expect(JSON.parse(readFileSync(join(execRoot, 'dns.json'), 'utf8'))).toMatchObject({ searchFirst });
  });
});
