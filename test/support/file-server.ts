import { createReadStream, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** Serves the files of a directory, and what tests put in their place; remembers what it was asked for. */
export class FileServer {
  /** Paths with the query, in order. */
  readonly asked: string[] = [];
  /** Answers for single paths. */
  readonly answers = new Map<string, (request: IncomingMessage, response: ServerResponse) => void>();
  readonly #server: Server;

  private constructor(readonly directory: string) {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(directory: string): Promise<FileServer> {
    const server = new FileServer(directory);
    await new Promise<void>((listening) => server.#server.listen(0, '127.0.0.1', listening));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((closed) => this.#server.close(() => closed()));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.asked.push(request.url ?? '');
    const { pathname } = new URL(request.url ?? '/', this.url);
    const answer = this.answers.get(pathname);
    if (answer) return answer(request, response);
    const path = join(this.directory, pathname);
    const status = statSync(path, { throwIfNoEntry: false });
    if (!status?.isFile()) {
      response.writeHead(404).end('nothing here');
      return;
    }
    response.writeHead(200, { 'Last-Modified': status.mtime.toUTCString(), 'Content-Length': status.size });
    createReadStream(path).pipe(response);
  }
}
