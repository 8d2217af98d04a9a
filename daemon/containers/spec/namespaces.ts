import type { OciNamespace } from './oci.js';

/** Which namespaces of others a container joins, already resolved to process ids. */
export interface JoinedNamespaces {
  /** "host", or the pid whose namespace to join; absent for a new one. */
  pid?: 'host' | number;
  ipc?: 'host' | number;
  uts?: 'host';
  cgroup?: 'host';
  /** "host", a pid, or the path of a prepared one; absent for a new, empty one. */
  network?: 'host' | number | { path: string };
  /** A new one, a pid, or the path of a prepared one; absent for the host's. */
  user?: 'new' | number | { path: string };
}

/** `linux.namespaces`: a type that is not listed is shared with the host. */
export function containerNamespaces(joined: JoinedNamespaces): OciNamespace[] {
  const namespaces: OciNamespace[] = [{ type: 'mount' }];
  const add = (type: OciNamespace['type'], target: 'host' | number | { path: string } | undefined): void => {
    if (target === 'host') return;
    if (target === undefined) namespaces.push({ type });
    else if (typeof target === 'number') namespaces.push({ type, path: `/proc/${target}/ns/${namespaceFile(type)}` });
    else namespaces.push({ type, path: target.path });
  };
  add('pid', joined.pid);
  add('ipc', joined.ipc);
  add('uts', joined.uts);
  add('network', joined.network);
  add('cgroup', joined.cgroup);
  if (joined.user !== undefined) add('user', joined.user === 'new' ? undefined : joined.user);
  return namespaces;
}

const namespaceFile = (type: OciNamespace['type']): string =>
  type === 'network' ? 'net' : type === 'mount' ? 'mnt' : type;
