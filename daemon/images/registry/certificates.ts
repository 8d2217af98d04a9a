import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { GantryError } from '../../errors.js';

/** What a directory of certs.d has for a host. */
export interface HostCertificates {
  authorities: string[];
  /** At most one pair counts: a connection shows one certificate. */
  client?: { certificate: string; key: string };
}

/**
 * Reads `<directory>/<host>[:port]/`: each `*.crt` is a further authority, `<name>.cert` with `<name>.key` the client's
 * certificate. Synchronous, as it is a handful of small files before a connection.
 *
 * @throws GantryError remote, when a directory is there but cannot be used
 */
export function readHostCertificates(directories: readonly string[], host: string): HostCertificates {
  for (const directory of directories) {
    const path = join(directory, host);
    try {
      return readDirectory(path, readdirSync(path).sort());
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (error instanceof GantryError) throw error;
      if (code !== 'ENOENT' && code !== 'ENOTDIR')
        throw new GantryError('remote', `certificates of ${host}: ${message}`);
    }
  }
  return { authorities: [] };
}

function readDirectory(path: string, names: readonly string[]): HostCertificates {
  const read = (name: string): string => readFileSync(join(path, name), 'utf8');
  const found: HostCertificates = { authorities: [] };
  for (const name of names) {
    if (name.endsWith('.crt')) found.authorities.push(read(name));
    if (name.endsWith('.key') && !names.includes(name.replace(/\.key$/, '.cert'))) {
      throw new GantryError('remote', `missing client certificate ${name.replace(/\.key$/, '.cert')} for key ${name}`);
    }
    if (!name.endsWith('.cert')) continue;
    const key = name.replace(/\.cert$/, '.key');
    if (!names.includes(key)) {
      throw new GantryError(
        'remote',
        `missing key ${key} for client certificate ${name}. CA certificates must use the extension .crt`,
      );
    }
    found.client ??= { certificate: read(name), key: read(key) };
  }
  return found;
}

/**
 * What TLS connections to a host are made with: the system's authorities and the host's own.
 *
 * @throws GantryError remote, when a file is no certificate or key
 */
export function secureContext(host: string, { authorities, client }: HostCertificates): SecureContext {
  try {
    return createSecureContext({
      ca: [...systemAuthorities(), ...authorities],
      ...(client ? { cert: client.certificate, key: client.key } : {}),
    });
  } catch (error) {
    throw new GantryError('remote', `certificates of ${host}: ${(error as Error).message}`);
  }
}

/** Those that the administrator trusts on this machine; those that Node.js brings where there are none. */
function systemAuthorities(): string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : getCACertificates('bundled');
}
