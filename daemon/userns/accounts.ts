import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface User {
  name: string;
  uid: number;
}

/** The users and groups of the host, and the ids that are given to them. */
export interface Accounts {
  /** By name or number. */
  user(nameOrId: string): User | undefined;
  groupName(nameOrId: string): string | undefined;
  subordinateUsers(): string;
  subordinateGroups(): string;
  /** Makes a system user and a group of that name. */
  addUser(name: string): void;
  addSubordinateUsers(name: string, first: number, count: number): void;
  addSubordinateGroups(name: string, first: number, count: number): void;
}

export const subordinateUserFile = '/etc/subuid';
export const subordinateGroupFile = '/etc/subgid';

/** As the host's own programs know them, so that every source of the name service switch counts. */
export const hostAccounts: Accounts = {
  user(nameOrId) {
    const [name, , uid] = lookUp('passwd', nameOrId);
    return name !== undefined && uid !== undefined ? { name, uid: Number(uid) } : undefined;
  },
  groupName: (nameOrId) => lookUp('group', nameOrId)[0],
  subordinateUsers: () => readOptional(subordinateUserFile),
  subordinateGroups: () => readOptional(subordinateGroupFile),
  addUser(name) {
    run('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/bin/false', name]);
  },
  addSubordinateUsers(name, first, count) {
    run('usermod', ['--add-subuids', `${first}-${first + count - 1}`, name]);
  },
  addSubordinateGroups(name, first, count) {
    run('usermod', ['--add-subgids', `${first}-${first + count - 1}`, name]);
  },
};

/** The fields of an entry; none where there is no such entry. */
function lookUp(database: 'passwd' | 'group', key: string): string[] {
  const { status, stdout, error } = spawnSync('getent', [database, key], { encoding: 'utf8' });
  if (error) throw new Error(`cannot look up ${key} in ${database}: ${error.message}`, { cause: error });
  return status === 0 ? stdout.trim().split(':') : [];
}

function run(program: string, args: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error || status !== 0) {
    throw new Error(`${program} ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}`, { cause: error });
  }
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
