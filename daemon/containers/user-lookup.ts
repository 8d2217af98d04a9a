import { internal } from '../errors.js';
import type { Addon, NativeError, Root } from '../runtime/addon.js';

const maxFileBytes = 1 << 22;
const maxId = 0xffff_fffe;

/** The ids that `user[:group]` has in a container's own /etc/passwd and /etc/group. Numbers need no entry. */
export async function resolveUser(addon: Addon, root: Root, user: string): Promise<{ uid: number; gid: number }> {
  const [name = '', group] = user.split(':', 2);
  const [passwd, groups] = await Promise.all([
    readLines(addon, root, '/etc/passwd'),
    group ? readLines(addon, root, '/etc/group') : [],
  ]);
  const entry = find(passwd, name);
  const uid = entry ? numeric(entry[2]) : numeric(name);
  if (uid === undefined) throw unknown('user', name, user, 'passwd');
  if (!group) return { uid, gid: numeric(entry?.[3]) ?? 0 };
  const gid = numeric(find(groups, group)?.[2]) ?? numeric(group);
  if (gid === undefined) throw unknown('group', group, user, 'group');
  return { uid, gid };
}

async function readLines(addon: Addon, root: Root, path: string): Promise<string[][]> {
  try {
    const content = await addon.readFile(root, path, maxFileBytes);
    return content
      .toString()
      .split('\n')
      .map((line) => line.trim().split(':'));
  } catch (error) {
    if ((error as NativeError).code === 'ENOENT') return [];
    throw error;
  }
}

/** By name first; a number is also looked for as an id. */
function find(lines: string[][], wanted: string): string[] | undefined {
  return (
    lines.find(([name]) => name === wanted) ?? lines.find((fields) => /^\d+$/.test(wanted) && fields[2] === wanted)
  );
}

function numeric(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text) || Number(text) > maxId) return undefined;
  return Number(text);
}

function unknown(kind: string, name: string, user: string, file: string): Error {
  return internal(
    `failed to look up user "${user}" in container: unable to find ${kind} ${name}: no matching entries in ${file} file`,
  );
}
