export type ListenAddress =
  | { kind: 'unix'; path: string }
  | { kind: 'tcp'; host: string; port: number }
  /** Sockets passed by systemd; `name` is a FileDescriptorName or a number, empty for all of them. */
  | { kind: 'fd'; name: string };

export const DEFAULT_SOCKET = '/var/run/gantry.sock';
const TCP_PORT = 2375;
const TLS_PORT = 2376;
/** sockaddr_un.sun_path without its terminating NUL. */
const MAXIMUM_SOCKET_PATH = 107;

/**
 * Reads the value of `-H`. Without a port, tcp listens on 2375, with TLS on 2376; without a host, on localhost.
 * @throws Error whose message is the reason alone
 */
export function parseListenAddress(given: string, tls = false): ListenAddress {
  const address = given.trim();
  const separator = address.indexOf('://');
  const protocol = separator < 0 ? 'tcp' : address.slice(0, separator);
  const rest = separator < 0 ? address : address.slice(separator + 3);
  switch (protocol) {
    case 'unix':
      return unixAddress(rest === '' ? DEFAULT_SOCKET : rest, address);
    case 'tcp':
      return tcpAddress(rest, address, tls);
    case 'fd':
      return { kind: 'fd', name: rest };
    default:
      throw new Error(`invalid bind address (${address}): unsupported proto '${protocol}', use unix, tcp or fd`);
  }
}

function unixAddress(path: string, address: string): ListenAddress {
  if (!path.startsWith('/')) throw new Error(`invalid bind address (${address}): the socket's path must be absolute`);
  if (Buffer.byteLength(path) > MAXIMUM_SOCKET_PATH)
    throw new Error(`invalid bind address (${address}): a socket's path has at most ${MAXIMUM_SOCKET_PATH} bytes`);
  return { kind: 'unix', path };
}

function tcpAddress(rest: string, address: string, tls: boolean): ListenAddress {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]/?#@\s]*))(?::(\d*))?\/?$/.exec(rest);
  if (!match) throw new Error(`invalid bind address (${address}): expected tcp://host:port`);
  const host = match[1] ?? match[2] ?? '';
  const port = match[3] ? Number(match[3]) : tls ? TLS_PORT : TCP_PORT;
  if (port > 65535) throw new Error(`invalid bind address (${address}): port ${port} is out of range`);
  return { kind: 'tcp', host: host === '' ? 'localhost' : host, port };
}
