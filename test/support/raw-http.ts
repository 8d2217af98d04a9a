import { Agent, request, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import type { Duplex } from 'node:stream';

export interface RawResponse {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/**
 * An HTTP client for one unix socket that does as little as possible, so that what is measured or asserted is the engine
 * and not a client library. Connections are kept alive.
 */
export class RawHttpClient {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity });

  /** @param patience milliseconds of silence after which a request is given up and named; without it, it may take for ever */
  constructor(
    readonly socketPath: string,
    private readonly patience = 0,
  ) {}

  /** Sends a request and collects the whole response, whatever its status. */
  send(
    method: string,
    path: string,
    body?: object | Buffer,
    headers: Record<string, string> = {},
  ): Promise<RawResponse> {
    const [payload, contentHeaders] = encode(body);
    return new Promise((resolve, reject) => {
      const outgoing = request(this.#options(method, path, { ...contentHeaders, ...headers }), (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: Buffer.concat(chunks) }),
        );
      });
      outgoing.on('error', reject);
      if (this.patience > 0) {
        const silence = new Error(`${method} ${path}: no answer within ${this.patience} ms`);
        outgoing.setTimeout(this.patience, () => outgoing.destroy(silence));
      }
      outgoing.end(payload);
    });
  }

  /** Like {@link send}, but a status of 400 or more is an error, and JSON is parsed. */
  async json<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await this.send(method, path, body);
    const text = response.body.toString();
    if (response.status >= 400) throw new Error(`${method} ${path}: ${response.status} ${text.trim()}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** Asks for the connection itself, as attach and exec do, and answers the raw stream after the 101. */
  hijack(path: string, body?: object): Promise<Duplex> {
    const [payload, contentHeaders] = encode(body);
    const headers = { ...contentHeaders, Connection: 'Upgrade', Upgrade: 'tcp' };
    return new Promise((resolve, reject) => {
      const outgoing = request({ ...this.#options('POST', path, headers), agent: false }, (incoming) => {
        incoming.resume();
        reject(new Error(`POST ${path}: ${incoming.statusCode} instead of an upgrade`));
      });
      outgoing.on('upgrade', (_response, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      outgoing.on('error', reject);
      outgoing.end(payload);
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #options(method: string, path: string, headers: Record<string, string>): RequestOptions {
    return { socketPath: this.socketPath, agent: this.#agent, method, path, headers: { Host: 'docker', ...headers } };
  }
}

function encode(body: object | Buffer | undefined): [Buffer | undefined, Record<string, string>] {
  if (body === undefined) return [undefined, { 'Content-Length': '0' }];
  const payload = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
  return [payload, { 'Content-Type': type, 'Content-Length': String(payload.length) }];
}

/** Collects everything a stream delivers until its end. */
export async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Splits Docker's multiplexed stream: an 8-byte header (stream, 0, 0, 0, big-endian length) before each payload. */
export function demultiplex(data: Buffer): { stdout: Buffer; stderr: Buffer } {
  const parts: { 1: Buffer[]; 2: Buffer[] } = { 1: [], 2: [] };
  for (let offset = 0; offset < data.length;) {
    const stream = data[offset];
    if (stream !== 1 && stream !== 2) throw new Error(`frame at byte ${offset} names stream ${stream}`);
    const end = offset + 8 + data.readUInt32BE(offset + 4);
    if (end > data.length) throw new Error(`frame at byte ${offset} is cut off`);
    parts[stream].push(data.subarray(offset + 8, end));
    offset = end;
  }
  return { stdout: Buffer.concat(parts[1]), stderr: Buffer.concat(parts[2]) };
}
