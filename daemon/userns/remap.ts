import type { IdMap } from '../runtime/addon.js';
import { type Accounts, subordinateGroupFile, subordinateUserFile, type User } from './accounts.js';
import { IdMapping } from './id-mapping.js';
import { mapOfRanges, nextFreeStart, parseSubordinateRanges, type SubordinateRange } from './subordinate-ids.js';

/** The user that `default` stands for, as in dockerd. */
const defaultUser = 'dockremap';
/** As many ids as one user of Linux programs expects: up to `nobody`. */
const defaultCount = 65_536;

/** A user whose subordinate ids containers get, with the group that goes with it. */
interface RemappedUser {
  user: User;
  group: string;
}

/**
 * The mapping that the option `userns-remap` asks for; nothing where containers are to have the host's ids. What
 * `default` needs is made if it is absent.
 * @param setting `default`, or user[:group] by name or number
 * @throws Error saying what to do
 */
export function remapping(setting: string, accounts: Accounts): IdMapping | undefined {
  if (setting === '') return undefined;
  const { user, group } = setting === 'default' ? defaultRemappedUser(accounts) : namedUser(setting, accounts);
  // A map of root to itself is none; dockerd takes it as "off", too.
  if (user.uid === 0) return undefined;
  const uid = subordinateMap(accounts.subordinateUsers(), subordinateUserFile, user, [user.name, String(user.uid)]);
  const gid = subordinateMap(accounts.subordinateGroups(), subordinateGroupFile, user, [
    user.name,
    String(user.uid),
    group,
  ]);
  return new IdMapping(uid, gid);
}

function namedUser(setting: string, accounts: Accounts): RemappedUser {
  const [name = '', groupName] = setting.split(':', 2);
  const user = accounts.user(name);
  if (!user) throw new Error(`userns-remap: there is no user ${name}: create it, or use "default"`);
  // As dockerd has it, the group goes by the user's name or number unless one is given.
  const wanted = groupName ?? name;
  const group = accounts.groupName(wanted);
  if (group === undefined)
    throw new Error(`userns-remap: there is no group ${wanted}: create it, or name one that exists`);
  return { user, group };
}

/** The user of `default`, made with its ranges where they are absent. */
function defaultRemappedUser(accounts: Accounts): RemappedUser {
  try {
    if (!accounts.user(defaultUser)) accounts.addUser(defaultUser);
    const user = accounts.user(defaultUser);
    if (!user) throw new Error('it is still absent after useradd');
    const users = parseSubordinateRanges(accounts.subordinateUsers(), subordinateUserFile);
    const groups = parseSubordinateRanges(accounts.subordinateGroups(), subordinateGroupFile);
    if (!hasRange(users)) accounts.addSubordinateUsers(defaultUser, nextFreeStart(users), defaultCount);
    if (!hasRange(groups)) accounts.addSubordinateGroups(defaultUser, nextFreeStart(groups), defaultCount);
    return { user, group: defaultUser };
  } catch (error) {
    throw new Error(
      `userns-remap: cannot make the user ${defaultUser} with its ids (${(error as Error).message}): ` +
        `make it yourself, or name a user that has ranges in ${subordinateUserFile} and ${subordinateGroupFile}`,
      { cause: error },
    );
  }
}

const hasRange = (ranges: readonly SubordinateRange[]): boolean => ranges.some(({ owner }) => owner === defaultUser);

function subordinateMap(text: string, file: string, user: User, owners: readonly string[]): IdMap[] {
  const all = parseSubordinateRanges(text, file);
  // The user's own ranges, by name or number; those of the group only where it has none.
  const own = all.filter(({ owner }) => owner === owners[0] || owner === owners[1]);
  const ranges = own.length > 0 ? own : all.filter(({ owner }) => owners.includes(owner));
  const map = mapOfRanges(ranges, file);
  if (map.length === 0) {
    throw new Error(
      `userns-remap: ${user.name} has no range in ${file}: add a line like "${user.name}:${nextFreeStart(all)}:${defaultCount}"`,
    );
  }
  return map;
}
