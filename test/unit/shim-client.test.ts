import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ShimClient, ShimError } from '../../daemon/runtime/shim-client.js';
import { encodeMessage, MessageReader } from '../../daemon/runtime/shim-framing.js';

/** A stand-in for a shim: answers the first messages of its connections by the functions it is given. */
class FakeShim {
  readonly received: Record<string, unknown>[] = [];
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  constructor(bundle: string, answer: (message: Record<string, unknown>, socket: Socket) => void) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.push(socket);
      socket.on('error', () => undefined);
      const reader = new MessageReader((message) => {
        this.received.push(message as Record<string, unknown>);
        answer(message as Record<string, unknown>, socket);
      });
      socket.on('data', (chunk: Buffer) => reader.push(chunk));
    });
    this.#server.listen(join(bundle, 'shim.sock'));
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

const ignore = (): void => undefined;

describe('a shim client', () => {
  let bundle: string;
  let shim: FakeShim | undefined;
  let client: ShimClient | undefined;

  beforeEach(() => {
    bundle = mkdtempSync(join(tmpdir(), 'gantry-shim-client-'));
  });
  afterEach(() => {
    client?.close();
    shim?.close();
    rmSync(bundle, { recursive: true });
  });

  const connect = async (answer: (message: Record<string, unknown>, socket: Socket) => void): Promise<ShimClient> => {
    shim = new FakeShim(bundle, answer);
    client = await ShimClient.connect(bundle);
    return client;
  };

  it('matches answers with requests in any order', async () => {
    const waiting: number[] = [];
    const client = await connect(({ id }, socket) => {
      if (id === undefined) return;
      waiting.push(id as number);
      if (waiting.length === 2)
        for (const each of waiting.reverse()) socket.write(encodeMessage({ id: each, ok: { pid: each } }));
    });
    const [first, second] = await Promise.all([client.create(), client.create()]);
    expect([first.pid, second.pid]).toEqual([1, 2]);
  });

  it('rejects with the words, the errno and the exit code of the shim', async () => {
    const client = await connect(({ id }, socket) => {
      if (id === undefined) return;
      socket.write(
        encodeMessage({ id, error: { operation: 'execve', errno: 2, message: 'no such command', exitCode: 127 } }),
      );
    });
    const error = await client.run().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ShimError);
    expect(error).toMatchObject({ message: 'no such command', errno: 2, code: 'ENOENT', exitCode: 127 });
  });

  it('tells listeners that come after the exit', async () => {
    const client = await connect(({ id }, socket) => {
      if (id === undefined) return;
      const exit = { event: 'exit', exitCode: 3, oomKilled: false, finishedAt: '2026-01-01T00:00:00.000000000Z' };
      socket.end(Buffer.concat([encodeMessage({ id, ok: { pid: 1, startedAt: '' } }), encodeMessage(exit)]));
    });
    await client.run();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const told: unknown[] = [];
    client.on('exit', ({ exitCode }) => told.push(exitCode));
    client.once('close', () => told.push('closed'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([3, 'closed']);
  });

  it('rejects what is unanswered when the shim ends', async () => {
    const client = await connect(({ id }, socket) => {
      if (id !== undefined) socket.destroy();
    });
    await expect(client.state()).rejects.toThrow('the shim ended');
    await expect(client.state()).rejects.toThrow('the shim ended');
  });

  it('closes when the shim sends what is not a message', async () => {
    const client = await connect((_, socket) => socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff])));
    await new Promise<void>((resolve) => client.once('close', resolve));
  });

  it('gives a stream that begins after the answer', async () => {
    const client = await connect(({ type }, socket) => {
      if (type !== 'attach') return;
      const bytes = Buffer.concat([encodeMessage({ ok: {} }), Buffer.from('output at once')]);
      socket.write(bytes.subarray(0, 3));
      setTimeout(() => socket.end(bytes.subarray(3)), 5);
    });
    const stream = await client.attach({ stdin: false, stdout: true, stderr: true });
    expect(await text(stream)).toBe('output at once');
    expect(shim?.received.at(-1)).toEqual({ type: 'attach', stdin: false, stdout: true, stderr: true });
  });

  it('has no stream for a detached exec', async () => {
    const client = await connect(({ type }, socket) => {
      if (type === 'exec') socket.end(encodeMessage({ ok: { pid: 7 } }));
    });
    const streams = { stdin: false, stdout: false, stderr: false };
    expect(await client.exec({ execId: 'a', process: {}, detach: true, ...streams })).toEqual({
      pid: 7,
      stream: undefined,
    });
  });

  it('rejects an exec that is refused', async () => {
    const client = await connect(({ type }, socket) => {
      if (type === 'exec') socket.end(encodeMessage({ error: { operation: 'exec', errno: 3, message: 'gone' } }));
    });
    const streams = { stdin: true, stdout: true, stderr: true };
    await expect(client.exec({ execId: 'a', process: {}, detach: false, ...streams })).rejects.toThrow('gone');
  });

  it('finds nobody where no shim is', async () => {
    await expect(ShimClient.connect(bundle)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('reaches a socket whose path is too long for an address', async () => {
    const long = join(bundle, 'x'.repeat(100));
    mkdirSync(long);
    shim = new FakeShim(bundle, ignore);
    await new Promise((resolve) => setTimeout(resolve, 10));
    renameSync(join(bundle, 'shim.sock'), join(long, 'shim.sock'));
    client = await ShimClient.connect(long);
  });
});
