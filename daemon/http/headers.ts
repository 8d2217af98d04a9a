import type { OutgoingHttpHeader } from 'node:http';
import { MAXIMUM_VERSION } from './version.js';

/** What Docker says about itself on every response; clients negotiate their version by it. */
export function engineHeaders(engineVersion: string): Record<string, string> {
  return {
    'Api-Version': MAXIMUM_VERSION.toString(),
    'Docker-Experimental': 'false',
    Ostype: 'linux',
    Server: `Gantry/${engineVersion} (linux)`,
  };
}

/** A response header in text, for connections that leave HTTP with it. */
export function formatHead(statusLine: string, headers: Record<string, OutgoingHttpHeader | undefined>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`);
  return `${[statusLine, ...lines].join('\r\n')}\r\n\r\n`;
}
