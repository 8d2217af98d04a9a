import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { notFound } from '../../daemon/errors.js';
import type { Call } from '../../daemon/http/call.js';
import { pause, startServer, type TestServer } from '../support/http-server.js';

let server: TestServer;
let detach = false;
const aborted: string[] = [];

/** Sends back what it gets, in brackets; after the end of the input it says goodbye and ends. */
async function echo(stream: Duplex): Promise<void> {
  stream.on('error', () => undefined);
  for await (const chunk of stream) stream.write(`[${String(chunk)}]`);
  await pause(50);
  stream.end('goodbye');
}

const attach = async ({ params, hijack }: Pick<Call<'ContainerAttach'>, 'params' | 'hijack'>): Promise<void> => {
  await pause(10);
  if (params.id === 'nobody') throw notFound('No such container: nobody');
  await echo(hijack({ multiplexed: params.id !== 'tty' }));
};

beforeAll(async () => {
  server = await startServer(
    {
      ContainerAttach: attach,
      ContainerAttachWebsocket: attach,
      ExecStart: async ({ body, hijack, signal }) => {
        signal.addEventListener('abort', () => aborted.push('exec'));
        detach = body.Detach ?? false;
        if (detach) return;
        const stream = hijack({ multiplexed: !body.Tty });
        stream.write(`tty=${body.Tty}`);
        await echo(stream);
      },
      ContainerLogs: ({ stream, signal }) => {
        const output = stream('text/plain');
        output.write('line\n');
        signal.addEventListener('abort', () => output.end());
      },
    },
    { jsonBytes: 200, jsonTimeout: 300, closeGrace: 300 },
  );
});

afterAll(() => server.close());

const UPGRADE = 'Connection: Upgrade\r\nUpgrade: tcp\r\n';
const start = (headers: string, rest = ''): string =>
  `POST /v1.44/exec/1/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}\r\n${rest}`;

test('attach with an upgrade: 101, input both ways, half-close', async () => {
  const client = server.connect();
  client.send(`POST /v1.44/containers/c/attach?stream=1 HTTP/1.1\r\nHost: x\r\n${UPGRADE}Content-Length: 0\r\n\r\n`);
  const head = await client.until((text) => text.endsWith('\r\n\r\n'));
  expect(head).toMatch(/^HTTP\/1.1 101 UPGRADED\r\n/);
  expect(head).toContain('Content-Type: application/vnd.docker.multiplexed-stream\r\n');
  expect(head).toContain('Connection: Upgrade\r\nUpgrade: tcp\r\n');
  expect(head.toLowerCase()).toContain('api-version: 1.55\r\n');
  client.send('one');
  await client.until((text) => text.endsWith('[one]'));
  client.socket.end('two');
  expect(await client.untilEnd()).toMatch(/\[one\]\[two\]goodbye$/);
});

test.each([
  ['/v1.44/containers/tty/attach', 'raw'],
  ['/v1.41/containers/c/attach', 'raw'],
  ['/v1.42/containers/c/attach', 'multiplexed'],
])('the stream of %s is %s', async (path, kind) => {
  const client = server.connect();
  client.send(`POST ${path} HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
  client.socket.end();
  expect(await client.untilEnd()).toContain(`Content-Type: application/vnd.docker.${kind}-stream\r\n`);
});

test('attach without an upgrade: 200, and stdin right behind the header', async () => {
  const client = server.connect();
  client.send('POST /containers/c/attach?stream=1 HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n');
  client.socket.end();
  const text = await client.untilEnd();
  expect(text).toMatch(/^HTTP\/1.1 200 OK\r\nContent-Type: application\/vnd.docker.raw-stream\r\n/);
  expect(text).toMatch(/\r\n\r\n\[GET \/ HTTP\/1.1\r\n\r\n\]goodbye$/);
});

test('a failure before the takeover is an ordinary response', async () => {
  for (const headers of [UPGRADE, '']) {
    const client = server.connect();
    client.send(`POST /containers/nobody/attach HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
    const text = await client.untilEnd();
    expect(text).toMatch(/^HTTP\/1.1 404 Not Found\r\n[^]*\r\n\r\n\{"message":"No such container: nobody"\}\n$/);
    expect(text.toLowerCase()).toContain('content-type: application/json\r\ncontent-length: 40\r\n');
  }
});

const BODIES: [string, string[]][] = [
  ['in one packet with stdin', [start(`${UPGRADE}Content-Length: 12\r\n`, '{"Tty":true}hello')]],
  ['in a later packet', [start(`${UPGRADE}Content-Length: 12\r\n`), '{"Tty"', ':true}hel', 'lo']],
  [
    'in chunks',
    [start(`${UPGRADE}Transfer-Encoding: chunked\r\n`), '5\r\n{"Tty\r\n7;x\r', '\n":true}\r\n0\r', '\n\r\nhello'],
  ],
  ['without an upgrade', [start('Content-Length: 12\r\n'), '{"Tty":true}', 'hello']],
];

test.each(BODIES)('exec start with its body %s', async (_name, packets) => {
  const client = server.connect();
  for (const packet of packets) {
    client.send(packet);
    await pause(20);
  }
  client.socket.end();
  const text = (await client.untilEnd()).replaceAll('][', '');
  expect(text).toMatch(/\r\n\r\ntty=true\[hello\]goodbye$/);
});

test('a detached exec start ends with an ordinary response', async () => {
  const client = server.connect();
  client.send(start(`${UPGRADE}Content-Length: 15\r\n`, '{"Detach":true}'));
  expect(await client.untilEnd()).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  expect(detach).toBe(true);
});

test.each([
  ['Content-Length: 12\r\n', '{"Tty":"yes"', '400'],
  ['Content-Length: 13\r\n', '{"Tty":"yes"}', '400'],
  ['Content-Length: 1000\r\n', '', '413'],
  ['Content-Length: 12\r\n', '{"Tty"', '408'],
  ['Transfer-Encoding: chunked\r\n', 'zz\r\n', '400'],
  ['Transfer-Encoding: chunked\r\n', 'fff\r\n', '413'],
])('a bad body (%j %j) is refused with %s', async (headers, body, status) => {
  const client = server.connect();
  client.send(start(`${UPGRADE}${headers}`, body));
  expect(await client.untilEnd()).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*\\{"message":"[^]+"\\}\n$`));
});

test('a client that vanishes aborts the call, before and after the takeover', async () => {
  aborted.length = 0;
  const client = server.connect();
  client.send(start(`${UPGRADE}Content-Length: 2\r\n`, '{}'));
  await client.until((text) => text.includes('tty='));
  client.socket.destroy();
  while (aborted.length === 0) await pause(5);
  expect(aborted).toEqual(['exec']);
});

test('a connection serves requests before it is taken over', async () => {
  const client = server.connect();
  client.send('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.until((text) => text.includes('page not found'));
  client.send(start('Content-Length: 2\r\n', '{}'));
  client.socket.end();
  expect(await client.untilEnd()).toMatch(/tty=undefinedgoodbye$/);
});

test('any other upgrade is not taken up', async () => {
  const client = server.connect();
  client.send('GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
  await client.until((text) => /^HTTP\/1.1 404 [^]*page not found/.test(text));
  client.socket.destroy();
});

test('a websocket carries bytes both ways in binary frames', async () => {
  const socket = new WebSocket(`ws+unix://${server.path}:/v1.44/containers/c/attach/ws?stream=1`);
  const frames: string[] = [];
  socket.on('message', (data: Buffer, binary: boolean) => frames.push(`${binary}:${String(data)}`));
  await once(socket, 'open');
  socket.send('text');
  socket.send(Buffer.from('binary'), { binary: true });
  while (!frames.join('').includes('binary')) await pause(5);
  expect(frames.map((frame) => frame.replaceAll('][', ' ')).join(' ')).toMatch(/^true:\[text\]? ?(true:\[)?binary\]$/);
  socket.close();
  await once(socket, 'close');
});

test('a websocket to nobody is refused before the handshake', async () => {
  const socket = new WebSocket(`ws+unix://${server.path}:/containers/nobody/attach/ws`);
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
  expect(response.statusCode).toBe(404);
  socket.terminate();
});

test('the websocket endpoint wants a websocket', async () => {
  const { status, body } = await server.request.get('/containers/c/attach/ws');
  expect({ status, body }).toEqual({ status: 400, body: { message: 'expected a websocket upgrade' } });
});

test('closing ends streams, and drops connections that do not end', async () => {
  const logs = server.connect();
  logs.send('GET /containers/c/logs?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n');
  const attached = server.connect();
  attached.send(`POST /containers/c/attach HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
  await logs.until((text) => text.includes('line\n'));
  await attached.until((text) => text.includes('101 UPGRADED'));
  const closed = server.engine.close();
  expect(await logs.untilEnd()).toMatch(/0\r\n\r\n$/);
  await attached.untilEnd();
  await closed;
});
