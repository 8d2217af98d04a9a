import { chmodSync, chownSync, existsSync, lstatSync, readFileSync, unlinkSync } from 'node:fs';
import { connect, type ListenOptions, type Server } from 'node:net';
import { dirname } from 'node:path';
import type { TlsOptions } from 'node:tls';
import type { EngineServer } from './server.js';

export type ListenTarget =
  /** `group` is a name or a number; when it is absent the socket belongs to the daemon's own group. */
  | { kind: 'unix'; path: string; group?: string }
  | { kind: 'tcp'; host: string; port: number; tls?: TlsSettings }
  /** A listening socket that was passed to the daemon. */
  | { kind: 'descriptor'; fd: number; tls?: TlsSettings };

/** What dockerd's --tls* flags name. */
export interface TlsSettings {
  certificateFile: string;
  keyFile: string;
  authorityFile?: string;
  /** Only clients whose certificate the authority has signed. */
  verify: boolean;
}

/** Makes the socket and serves the API on it. @throws Error that names the address */
export async function listen(engine: EngineServer, target: ListenTarget): Promise<Server> {
  const tls = target.kind !== 'unix' && target.tls ? loadTls(target.tls) : undefined;
  const server = engine.createListener(tls);
  switch (target.kind) {
    case 'unix':
      await removeStaleSocket(target.path);
      await listenPrivately(server, target.path);
      if (target.group !== undefined) chownSync(target.path, -1, groupId(target.group));
      chmodSync(target.path, 0o660);
      break;
    case 'tcp':
      await start(server, { host: target.host, port: target.port });
      break;
    case 'descriptor':
      await start(server, { fd: target.fd });
      break;
  }
  return server;
}

/** The number of a group, looked up in /etc/group. @throws Error when there is none of that name */
export function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [name, , id] = line.split(':');
    if (name === group && id) return Number(id);
  }
  throw new Error(`group ${group} does not exist`);
}

function loadTls(settings: TlsSettings): TlsOptions {
  return {
    cert: readFileSync(settings.certificateFile),
    key: readFileSync(settings.keyFile),
    ...(settings.authorityFile && { ca: readFileSync(settings.authorityFile) }),
    requestCert: settings.verify,
    rejectUnauthorized: settings.verify,
    minVersion: 'TLSv1.2',
  };
}

/** `options` as net.Server.listen takes them: an address, or a descriptor. */
function start(server: Server, options: ListenOptions | { fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Nobody can connect between the making of the socket and the setting of its owner. Node binds within the call. */
function listenPrivately(server: Server, path: string): Promise<void> {
  const mask = process.umask(0o177);
  try {
    return start(server, { path });
  } finally {
    process.umask(mask);
  }
}

/** Removes what an earlier daemon left behind, unless something answers there or it is not a socket. */
async function removeStaleSocket(path: string): Promise<void> {
  // Node would say that the permission is denied.
  if (!existsSync(dirname(path))) throw new Error(`cannot listen on ${path}: there is no directory ${dirname(path)}`);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new Error(`${path} exists and is not a socket: remove it or listen elsewhere`);
  if (await answers(path)) throw new Error(`another daemon is listening on ${path}`);
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}
