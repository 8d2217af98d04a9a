import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MemberNames } from '../../daemon/networks/network-names.js';
import { NameTables } from '../../daemon/networks/name-tables.js';

describe('name tables', () => {
  let execRoot: string;
  let tables: NameTables;
  beforeEach(() => {
    execRoot = mkdtempSync(join(tmpdir(), 'gantry-names-'));
    tables = new NameTables(execRoot);
  });
  afterEach(() => rmSync(execRoot, { recursive: true }));

  const member = (names: string[], addresses: string[], reverse = ''): MemberNames => ({ names, addresses, reverse });
  const lines = (): string[] => readFileSync(join(execRoot, 'networks/n1.names'), 'latin1').split('\n');
  const keys = (): string[] =>
    lines()
      .slice(1, -1)
      .map((line) => line.split(' ')[0]!);
  const network = { id: 'n1', name: 'Front' };

  test('names and addresses, one line each, in the order of their bytes', () => {
    tables.update(network, [
      ['c1', member(['web'], ['172.18.0.2', 'FD00:0:0:0::2'], 'web.Front')],
      ['c2', member(['Db.main', 'db'], ['172.18.0.3'])],
      ['c3', member(['db-2'], ['172.18.0.4'])],
    ]);
    expect(lines()).toEqual([
      'network front',
      '@172.18.0.2 web.Front',
      '@fd00::2 web.Front',
      'db 172.18.0.3',
      'db-2 172.18.0.4',
      'db.main 172.18.0.3',
      'web 172.18.0.2 FD00:0:0:0::2',
      '',
    ]);
  });

  test('a name that several containers have leads to all of them, whatever its case', () => {
    tables.update(network, [
      ['c1', member(['Web'], ['1.1.1.1', '1.1.1.2'])],
      ['c2', member(['web', 'two'], ['1.1.1.2', '1.1.1.3'])],
    ]);
    expect(lines()).toContain('web 1.1.1.1 1.1.1.2 1.1.1.3');
    tables.update(network, [['c1', undefined]]);
    expect(lines()).toEqual(['network front', 'two 1.1.1.2 1.1.1.3', 'web 1.1.1.2 1.1.1.3', '']);
    tables.update(network, [['c2', member(['two'], ['1.1.1.4'])]]);
    expect(lines()).toEqual(['network front', 'two 1.1.1.4', '']);
    tables.update(network, [
      ['c2', undefined],
      ['never there', undefined],
    ]);
    expect(lines()).toEqual(['network front', '']);
  });

  test('after any order of comings and goings the table is what it would be if written at once', () => {
    const names = (index: number): MemberNames =>
      member([`c${index % 37}`, `alias${index % 5}`], [`10.0.0.${index}`], `c${index}.front`);
    const present = new Map<string, MemberNames>();
    for (let step = 0; step < 500; step++) {
      const index = (step * 7919) % 101;
      const id = `id${index}`;
      if (present.delete(id)) tables.update(network, [[id, undefined]]);
      else {
        present.set(id, names(index));
        tables.update(network, [[id, names(index)]]);
      }
    }
    const grown = lines();
    tables.remove('n1');
    tables.update(network, present);
    expect(grown.map(inOneOrder)).toEqual(lines().map(inOneOrder));
    expect(keys()).toEqual([...keys()].sort());
    expect(keys().length).toBeGreaterThan(50);
  });

  /** Which of several addresses comes first says who came first. */
  function inOneOrder(line: string): string {
    const [key, ...targets] = line.split(' ');
    return [key, ...targets.sort()].join(' ');
  }

  test('letters beyond ASCII are sorted as UTF-8, and their case is left alone', () => {
    tables.update(network, [['c1', member(['\u{1f600}', '\uffee', 'É', 'z'], ['1.1.1.1'])]]);
    expect(keys().map((key) => Buffer.from(key, 'latin1').toString())).toEqual(['z', 'É', '\uffee', '\u{1f600}']);
  });

  test.each(['', 'a b', 'a\nb 9.9.9.9', 'a\\b', '@10.0.0.1', '\0', '\x7f', 'x'.repeat(254)])(
    '%j cannot be asked for and gets no line',
    (name) => {
      tables.update(network, [['c1', member([name, '__proto__'], ['1.1.1.1'])]]);
      expect(keys()).toEqual(['__proto__']);
    },
  );

  test('nothing but the file is left, and nothing once it is removed', () => {
    tables.update(network, []);
    tables.update(network, [['c1', member(['web'], ['1.1.1.1'])]]);
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
