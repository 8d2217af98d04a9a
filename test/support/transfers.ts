import { request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface Transferred {
  status: number;
  /** The lines of a progress stream, or the one body of an error. */
  messages: Record<string, unknown>[];
}

export interface TransferOptions {
  headers?: Record<string, string>;
  /** Ends the connection. */
  signal?: AbortSignal;
  onMessage?: (line: string) => void;
}

/** Sends a POST whose answer is a progress stream, to an engine's unix socket. */
export async function transfer(socketPath: string, path: string, options: TransferOptions = {}): Promise<Transferred> {
  const { headers = {}, signal, onMessage } = options;
  const outgoing = request({ socketPath, method: 'POST', path, headers, ...(signal ? { signal } : {}) });
  outgoing.end();
  const answer = await new Promise<NodeJS.ReadableStream & { statusCode?: number }>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject);
  });
  if (onMessage) answer.on('data', (chunk: Buffer) => onMessage(chunk.toString()));
  const body = await text(answer);
  const messages = body
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { status: answer.statusCode ?? 0, messages };
}

/** What a transfer was told, without the measurements between its beginning and its end. */
export function statuses({ messages }: Transferred): string[] {
  return messages
    .filter(({ status }) => !/^(?:Downloading|Extracting|Pushing|Verifying Checksum)$/.test(String(status)))
    .map(({ status, id, error, message, aux }) => {
      if (aux !== undefined) return `aux ${JSON.stringify(aux)}`;
      const text = String(status ?? error ?? message);
      return typeof id === 'string' ? `${id}: ${text}` : text;
    });
}

/** The error that a transfer ended with, wherever it was told. */
export function failure({ messages }: Transferred): string {
  const { error, message } = messages.at(-1) ?? {};
  return String(error ?? message);
}

/** `X-Registry-Auth` as the CLI sends it. */
export const registryAuth = (auth: object): Record<string, string> => ({
  'x-registry-auth': Buffer.from(JSON.stringify(auth)).toString('base64url'),
});
