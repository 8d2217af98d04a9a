import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeBindSource } from '../../daemon/containers/bind-source.js';
import { refuseWithUserNamespace } from '../../daemon/containers/user-namespace.js';
import type { Accounts } from '../../daemon/userns/accounts.js';
import { IdMapping } from '../../daemon/userns/id-mapping.js';
import { remapping } from '../../daemon/userns/remap.js';
import { mapOfRanges, nextFreeStart, parseSubordinateRanges } from '../../daemon/userns/subordinate-ids.js';

/** Accounts in memory: users have the group of their name, `absent` cannot be made. */
class FakeAccounts implements Accounts {
  users = new Map([
    ['root', 0],
    ['alice', 1000],
    ['bob', 1001],
  ]);
  groups = new Map([
    ['root', 0],
    ['alice', 1000],
    ['staff', 50],
  ]);
  subuid = 'alice:100000:65536\n';
  subgid = 'alice:200000:65536\n';
  refusesUsers = false;

  user(nameOrId: string): { name: string; uid: number } | undefined {
    const found = [...this.users].find(([name, uid]) => name === nameOrId || String(uid) === nameOrId);
    return found && { name: found[0], uid: found[1] };
  }
  groupName(nameOrId: string): string | undefined {
    return [...this.groups].find(([name, gid]) => name === nameOrId || String(gid) === nameOrId)?.[0];
  }
  subordinateUsers = (): string => this.subuid;
  subordinateGroups = (): string => this.subgid;
  addUser(name: string): void {
    if (this.refusesUsers) throw new Error('useradd failed: /etc is read-only');
    this.users.set(name, 999);
    this.groups.set(name, 999);
  }
  addSubordinateUsers(name: string, first: number, count: number): void {
    this.subuid += `${name}:${first}:${count}\n`;
  }
  addSubordinateGroups(name: string, first: number, count: number): void {
    this.subgid += `${name}:${first}:${count}\n`;
  }
}

let accounts: FakeAccounts;
beforeEach(() => (accounts = new FakeAccounts()));

describe('subordinate ids', () => {
  test('lines of name:first:count, with comments and empty ones', () => {
    const ranges = parseSubordinateRanges('# made by hand\n\nalice:100000:65536\n  1001:1:2  \n', '/etc/subuid');
    expect(ranges).toEqual([
      { owner: 'alice', start: 100000, count: 65536 },
      { owner: '1001', start: 1, count: 2 },
    ]);
  });

  test.each([
    'alice',
    'alice:1',
    'alice:x:1',
    'alice:1:-1',
    ':1:1',
    'alice:1:1:1',
    'alice:4294967290:10',
    'alice:1:0x10',
  ])('%s is refused with its place', (line) => {
    expect(() => parseSubordinateRanges(`bob:1:1\n${line}\n`, '/etc/subuid')).toThrow(
      `/etc/subuid, line 2: "${line}" is not name:first-id:count`,
    );
  });

  test('ranges follow each other inside', () => {
    const ranges = parseSubordinateRanges('a:300000:10\na:100000:5\na:700000:0\na:200000:1', 'f');
    expect(mapOfRanges(ranges, 'f')).toEqual([
      { containerId: 0, hostId: 300000, size: 10 },
      { containerId: 10, hostId: 100000, size: 5 },
      { containerId: 15, hostId: 200000, size: 1 },
    ]);
    expect(nextFreeStart(ranges)).toBe(700000);
    expect(nextFreeStart([])).toBe(100000);
  });

  test('what would give away the host, or what the kernel refuses', () => {
    const map = (text: string): unknown => mapOfRanges(parseSubordinateRanges(text, 'f'), 'f');
    expect(() => map('a:0:65536')).toThrow('would make a container root of the host');
    expect(() => map('a:1000:10\na:1009:5')).toThrow('overlap');
    expect(() => map(Array.from({ length: 341 }, (_, i) => `a:${1000 * (i + 1)}:1`).join('\n'))).toThrow(
      'more than 340',
    );
  });
});

describe('userns-remap', () => {
  test.each(['alice', '1000', 'alice:staff', 'alice:50', '1000:alice', '1000:1000'])('%s', (setting) => {
    const mapping = remapping(setting, accounts);
    expect(mapping?.root).toEqual({ uid: 100000, gid: 200000 });
    expect(mapping?.toHost({ uid: 5, gid: 65535 })).toEqual({ uid: 100005, gid: 265535 });
    expect(() => mapping?.toHost({ uid: 65536, gid: 0 })).toThrow('user id 65536 is not mapped');
  });

  test('nothing, and root, mean no user namespaces', () => {
    expect(remapping('', accounts)).toBeUndefined();
    expect(remapping('root', accounts)).toBeUndefined();
    expect(remapping('0:0', accounts)).toBeUndefined();
    expect(IdMapping.identity.shifts).toBe(false);
    expect(IdMapping.identity.toHost({ uid: 7, gid: 8 })).toEqual({ uid: 7, gid: 8 });
  });

  test('ranges by number, and those of the group where the user has none', () => {
    accounts.subuid = '1000:300000:10\n';
    accounts.subgid = 'staff:400000:10\n';
    expect(remapping('alice:staff', accounts)?.root).toEqual({ uid: 300000, gid: 400000 });
    accounts.subgid += 'alice:500000:10\n';
    expect(remapping('alice:staff', accounts)?.root.gid).toBe(500000);
  });

  test.each([
    ['carol', 'there is no user carol'],
    ['alice:none', 'there is no group none'],
    ['bob', 'there is no group bob'],
    ['bob:staff', 'bob has no range in /etc/subuid: add a line like "bob:165536:65536"'],
  ])('%s: %s', (setting, message) => {
    expect(() => remapping(setting, accounts)).toThrow(message);
  });

  test('default makes its user and what ranges are missing, once', () => {
    expect(remapping('default', accounts)?.root).toEqual({ uid: 165536, gid: 265536 });
    const made = { ...accounts };
    expect(remapping('default', accounts)?.root).toEqual({ uid: 165536, gid: 265536 });
    expect(accounts.subuid).toBe(made.subuid);
    expect(accounts.subuid).toBe('alice:100000:65536\ndockremap:165536:65536\n');
  });

  test('default says what to do where nothing can be made', () => {
    accounts.refusesUsers = true;
    expect(() => remapping('default', accounts)).toThrow(
      /cannot make the user dockremap .*read-only.*make it yourself/,
    );
  });

  test('the inverse leads back', () => {
    const mapping = remapping('alice', accounts)!;
    expect(mapping.inverse.toHost(mapping.toHost({ uid: 3, gid: 4 }))).toEqual({ uid: 3, gid: 4 });
    expect(mapping.inverse.oci.uidMappings).toEqual([{ containerID: 100000, hostID: 0, size: 65536 }]);
  });
});

test('a container in a user namespace has no rights over the host', () => {
  for (const [options, message] of [
    [{ Privileged: true }, 'privileged mode is incompatible with user namespaces'],
    [{ NetworkMode: 'host' }, "cannot share the host's network namespace"],
    [{ PidMode: 'host' }, 'cannot share the host PID namespace'],
  ] as const) {
    expect(() => refuseWithUserNamespace(options, true)).toThrow(message);
    expect(() => refuseWithUserNamespace({ ...options, UsernsMode: 'host' }, true)).not.toThrow();
    expect(() => refuseWithUserNamespace(options, false)).not.toThrow();
  }
  expect(() => refuseWithUserNamespace({ IpcMode: 'host', UTSMode: 'host' }, true)).not.toThrow();
});

test('every directory that a bind mount makes has its owner, and no other', () => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-bind-source-'));
  const owner = (path: string): number[] => [statSync(path).uid, statSync(path).gid];
  try {
    makeBindSource(join(root, 'a/b'), { uid: process.getuid!(), gid: process.getgid!() });
    makeBindSource(join(root, 'a/c/d'), {
      uid: process.getuid!() === 0 ? 12 : process.getuid!(),
      gid: process.getgid!(),
    });
    expect(owner(join(root, 'a'))).toEqual([process.getuid!(), process.getgid!()]);
    if (process.getuid!() === 0) expect([owner(join(root, 'a/c'))[0], owner(join(root, 'a/c/d'))[0]]).toEqual([12, 12]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
