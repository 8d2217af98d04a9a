import type { SessionOffer } from './sessions.js';

const prefix = 'x-docker-expose-session-';

/** What the headers of a session say. @param all the values of a header that may come several times */
export function offerOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  all: (name: string) => string[],
): SessionOffer {
  const one = (name: string): string => String(headers[prefix + name] ?? '');
  const methods = all(`${prefix}grpc-method`).flatMap((value) => value.split(/,\s*/));
  return { id: one('uuid'), sharedKey: one('sharedkey'), methods };
}
