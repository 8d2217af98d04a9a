import { GantryError } from '../../errors.js';

const untrusted = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_UNTRUSTED',
]);

type NetworkError = NodeJS.ErrnoException & {
  hostname?: string;
  address?: string;
  port?: number;
  reason?: string;
  statusCode?: number;
};

/** What to say about a request that got no answer, in the words of Docker (which are those of Go). */
export function asNetworkError(method: string, url: URL, error: unknown): Error {
  if (error instanceof GantryError || (error as Error).name === 'AbortError') return error as Error;
  const verb = method.slice(0, 1) + method.slice(1).toLowerCase();
  return new GantryError('remote', `${verb} "${url.href}": ${describe(rootCause(error), url)}`, { cause: error });
}

/** Whether a connection was there and broke off. */
export function isBrokenConnection(error: unknown): boolean {
  const code = error instanceof GantryError && error.kind === 'remote' ? (rootCause(error).code ?? '') : '';
  return ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'].includes(code);
}

/** Several addresses were tried, or a library has wrapped what happened. */
function rootCause(error: unknown): NetworkError {
  const { cause, errors } = error as { cause?: unknown; errors?: unknown };
  const inner = Array.isArray(errors) && errors.length > 0 ? (errors.at(-1) as unknown) : cause;
  const isError = typeof inner === 'object' && inner !== null && 'message' in inner;
  return isError ? rootCause(inner) : (error as NetworkError);
}

function describe(error: NetworkError, url: URL): string {
  const { code = '', message } = error;
  const address = error.address ? `${bracketed(error.address)}:${error.port ?? ''}` : hostAndPort(url);
  if (untrusted.has(code)) {
    return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
  }
  switch (code) {
    case 'ENOTFOUND':
      return `dial tcp: lookup ${error.hostname ?? url.hostname}: no such host`;
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${error.hostname ?? url.hostname}: server misbehaving (temporary failure in name resolution)`;
    case 'ECONNREFUSED':
      return `dial tcp ${address}: connect: connection refused`;
    case 'ENETUNREACH':
      return `dial tcp ${address}: connect: network is unreachable`;
    case 'EHOSTUNREACH':
      return `dial tcp ${address}: connect: no route to host`;
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
      return `dial tcp ${address}: i/o timeout`;
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return 'net/http: timeout awaiting response';
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
      return /other side closed/.test(message) ? 'EOF' : `read tcp ${address}: connection reset by peer`;
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `tls: failed to verify certificate: x509: ${nameMismatch(error.reason ?? message, url)}`;
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'EPROTO':
      return /wrong version number|packet length too long/i.test(message)
        ? 'http: server gave HTTP response to HTTPS client'
        : `tls: ${message}`;
    default:
      return message || code || 'unknown failure';
  }
}

/** Node.js says: "Host: b. is not in the cert's altnames: DNS:a" */
function nameMismatch(reason: string, url: URL): string {
  const names = [...reason.matchAll(/(?:DNS|IP Address):([^,\s]+)/g)].map((match) => match[1]);
  return names.length > 0 ? `certificate is valid for ${names.join(', ')}, not ${url.hostname}` : reason;
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address);

function hostAndPort(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`;
}
