import { createServer as createTcpServer } from 'node:net';
import { statSync, writeFileSync } from 'node:fs';
import { conflict, notFound, notModified } from '../../daemon/errors.js';
import type { Call } from '../../daemon/http/call.js';
import { listen } from '../../daemon/http/listen.js';
import { streamProgress } from '../../daemon/http/progress.js';
import { pause, startServer, type TestServer } from '../support/http-server.js';

let server: TestServer;
let created: Call<'ContainerCreate'> | undefined;
let aborted: Promise<void>;
let uploaded: { bytes: number; failure?: string };

beforeAll(async () => {
  let onAbort: () => void;
  aborted = new Promise((resolve) => (onAbort = resolve));
  server = await startServer(
    {
      ContainerCreate: (call) => {
        created = call;
        return { Id: 'x', Warnings: [] };
      },
      ContainerList: ({ query }) => [{ all: query.all, limit: query.limit, labels: query.filters.get('label') }],
      ContainerInspect: ({ params }) => {
        throw notFound(`No such container: ${params.id}`);
      },
      ContainerStart: () => {
        throw notModified('already started');
      },
      ContainerStop: () => undefined,
      ContainerRename: () => {
        throw conflict('name is taken');
      },
      ContainerPause: () => {
        throw new TypeError('a defect');
      },
      ContainerWait: ({ signal, stream }) => {
        stream('application/json');
        signal.addEventListener('abort', () => onAbort());
      },
      ImageInspect: ({ params }) => ({ name: params.name }),
      PutContainerArchive: ({ params }) => {
        throw notFound(`No such container: ${params.id}`);
      },
      ImageDelete: ({ params }) => [{ Deleted: params.name }],
      ImageCreate: ({ stream, signal }) =>
        streamProgress(
          () => stream('application/json'),
          signal,
          async (report) => {
            await report({ status: 'working' });
            throw conflict('no luck');
          },
        ),
      ImageLoad: async ({ body }) => {
        uploaded = { bytes: 0 };
        try {
          for await (const chunk of body) uploaded.bytes += (chunk as Buffer).length;
        } catch (error) {
          uploaded.failure = (error as Error).message;
          throw error;
        }
        return { bytes: uploaded.bytes };
      },
      SystemPing: () => 'OK',
    },
    { jsonBytes: 1000, jsonTimeout: 300, idleTimeout: 200, headerTimeout: 1000 },
  );
});

afterAll(() => server.close());

test('every response tells the version of the API and the engine', async () => {
  for (const path of ['/_ping', '/v1.24/_ping', '/nowhere']) {
    const { headers } = await server.request.get(path);
    expect(headers).toMatchObject({
      'api-version': '1.55',
      'docker-experimental': 'false',
      ostype: 'linux',
      server: 'Gantry/1.2.3 (linux)',
    });
  }
});

test.each([
  ['/v1.99/_ping', 'client version 1.99 is too new. Maximum supported API version is 1.55'],
  ['/v2.0/_ping', 'client version 2.0 is too new. Maximum supported API version is 1.55'],
  [
    '/v1.5/_ping',
    'client version 1.5 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
  ],
])('%s is out of range', async (path, message) => {
  const { status, body } = await server.request.get(path);
  expect({ status, body }).toEqual({ status: 400, body: { message } });
});

test.each(['/nowhere', '/v1.44/nowhere', '/images/a/b/c', '/containers'])('%s is not found', async (path) => {
  const { status, body } = await server.request.get(path);
  expect({ status, body }).toEqual({ status: 404, body: { message: 'page not found' } });
});

test.each([
  ['/v1.51/services', 503, /^This node is not a swarm manager/],
  ['/swarm', 503, /^This node is not a swarm manager/],
  ['/plugins', 501, /plugins are not supported/],
])('%s says what Gantry does not have', async (path, expected, message) => {
  const { status, body } = await server.request.get(path);
  expect({ status, body }).toEqual({ status: expected, body: { message: expect.stringMatching(message) } });
});

test('an operation without a handler is refused by name', async () => {
  const { status, body } = await server.request.get('/v1.44/networks');
  expect(status).toBe(501);
  expect(body.message).toContain('NetworkList (GET /networks)');
});

const create = (body: string, type = 'application/json') =>
  server.request.post('/v1.44/containers/create').set('content-type', type).send(body);

test.each([
  ['', 'invalid JSON: got EOF while reading request body'],
  ['{', /^invalid JSON: /],
  ['{} x', /^invalid JSON: /],
  ['[]', /^invalid JSON: json: cannot unmarshal array/],
  ['{"Image":3}', 'invalid JSON: json: cannot unmarshal number into Go struct field .Image of type string'],
  [
    '{"HostConfig":{"Memory":"1"}}',
    'invalid JSON: json: cannot unmarshal string into Go struct field .HostConfig.Memory of type int64',
  ],
  [
    '{"HostConfig":{"Memory":1.5}}',
    'invalid JSON: json: cannot unmarshal number 1.5 into Go struct field .HostConfig.Memory of type int64',
  ],
  ['{"Env":"A=b"}', 'invalid JSON: json: cannot unmarshal string into Go struct field .Env of type []string'],
])('the body %p is refused', async (text, message) => {
  const { status, body } = await create(text);
  expect(status).toBe(400);
  expect(body.message).toMatch(message);
});

test('a body that is not said to be JSON is refused', async () => {
  const { status, body } = await create('{}', 'text/plain');
  expect(status).toBe(400);
  expect(body.message).toBe("unsupported Content-Type header (text/plain): must be 'application/json'");
});

test('a body is decoded as Go does', async () => {
  const text =
    '{"image":"i","Cmd":"true","Env":null,"Unknown":1,"Labels":{"a":null,"__proto__":"p"},"Volumes":{"/v":null},' +
    '"HostConfig":{"memory":5,"PortBindings":{"80/tcp":null},"Init":null}}';
  const { status } = await create(text, 'application/json; charset=utf-8');
  expect(status).toBe(201);
  expect(JSON.stringify(created?.body)).toBe(
    '{"Image":"i","Cmd":["true"],"Labels":{"a":"","__proto__":"p"},"Volumes":{"/v":{}},' +
      '"HostConfig":{"Memory":5,"PortBindings":{"80/tcp":[]}}}',
  );
});

test('a JSON body has a size and a time', async () => {
  const large = await create(JSON.stringify({ Image: 'x'.repeat(2000) }));
  expect(large.status).toBe(413);
  const slow = server.connect();
  slow.send(
    'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{',
  );
  expect(await slow.untilEnd()).toMatch(/^HTTP\/1.1 408 [^]*did not arrive/);
});

test('a header that never ends is given up', async () => {
  const client = server.connect();
  client.send('GET /_ping HTTP/1.1\r\nHost: x\r\nX-Slow: ');
  expect(await client.untilEnd()).toMatch(/^HTTP\/1.1 408 [^]*\{"message":"the request did not arrive in time"\}/);
});

test('what is not HTTP is answered and closed', async () => {
  const client = server.connect();
  client.send('nonsense\r\n\r\n');
  expect(await client.untilEnd()).toMatch(/^HTTP\/1.1 400 [^]*\{"message":"malformed HTTP request"\}/);
});

test('a binary body passes untouched, whatever its type and length', async () => {
  const { body } = await server.request
    .post('/images/load')
    .set('content-type', 'bogus')
    .send(Buffer.alloc(3_000_000, 0xff));
  expect(body).toEqual({ bytes: 3_000_000 });
});

test('a binary body that stalls is given up', async () => {
  const client = server.connect();
  client.send('POST /images/load HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
  await client.untilEnd();
  expect(uploaded).toEqual({ bytes: 3, failure: expect.stringContaining('stalled') });
});

test('queries are read as Docker reads them', async () => {
  const list = async (query: string) => (await server.request.get(`/v1.44/containers/json?${query}`)).body;
  expect(await list('')).toEqual([{ all: false, labels: [] }]);
  for (const yes of ['1', 'true', 'True', 'yes']) expect(await list(`all=${yes}`)).toMatchObject([{ all: true }]);
  for (const no of ['0', 'false', '', 'none']) expect(await list(`all=${no}`)).toMatchObject([{ all: false }]);
  expect(await list('limit=3&limit=4&unknown=1')).toMatchObject([{ limit: 3 }]);
  expect(await list(`filters=${encodeURIComponent('{"label":["a=b"]}')}`)).toMatchObject([{ labels: ['a=b'] }]);
  expect(await list(`filters=${encodeURIComponent('{"label":{"a=b":true}}')}`)).toMatchObject([{ labels: ['a=b'] }]);
  expect(await list('limit=x')).toEqual({ message: 'strconv.Atoi: parsing "x": invalid syntax' });
  for (const bad of ['x', '[]', '{"label":[1]}', '{"label":"a"}'])
    expect(await list(`filters=${encodeURIComponent(bad)}`)).toEqual({ message: 'invalid filter' });
});

test('errors carry the status of their kind', async () => {
  expect((await server.request.get('/containers/abc/json')).body).toEqual({ message: 'No such container: abc' });
  expect((await server.request.get('/containers/abc/json')).status).toBe(404);
  expect((await server.request.post('/containers/abc/rename?name=a')).status).toBe(409);
  const unmodified = await server.request.post('/containers/abc/start');
  expect([unmodified.status, unmodified.text]).toEqual([304, '']);
  const stopped = await server.request.post('/containers/abc/stop');
  expect([stopped.status, stopped.text]).toEqual([204, '']);
});

test('a defect is logged with its stack and answered', async () => {
  const { status, body } = await server.request.post('/containers/abc/pause');
  expect({ status, body }).toEqual({ status: 500, body: { message: 'a defect' } });
  expect(server.errors.at(-1)).toMatchObject({ err: { stack: expect.stringContaining('http-requests.test') } });
});

test('names of images may contain slashes, encoded or not', async () => {
  for (const name of ['busybox', 'library/busybox:1', 'localhost:5000/a/b/c', 'a%2Fb', 'json/json']) {
    const { body } = await server.request.get(`/v1.44/images/${name}/json`);
    expect(body).toEqual({ name: decodeURIComponent(name) });
  }
  expect((await server.request.delete('/images/a/b/json')).body).toEqual([{ Deleted: 'a/b/json' }]);
  expect((await server.request.get(`/images/${'x'.repeat(1000)}/json`)).status).toBe(200);
  expect((await server.request.get('/images/%zz/json')).status).toBe(400);
});

test('a failure after the first progress message is the last line of the stream', async () => {
  const client = server.connect();
  client.send('POST /images/create?fromSrc=- HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const text = await client.untilEnd();
  expect(text).toMatch(/^HTTP\/1.1 200 OK/);
  const lines = text.split('\r\n').filter((line) => line.startsWith('{'));
  expect(lines).toEqual(['{"status":"working"}', '{"errorDetail":{"message":"no luck"},"error":"no luck"}']);
});

test('a client that vanishes aborts its call', async () => {
  const client = server.connect();
  client.send('POST /containers/abc/wait HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.until((text) => text.includes('200 OK'));
  client.socket.destroy();
  await aborted;
});

test('a socket is private to its group, and a stale one is replaced', async () => {
  expect(statSync(server.path).mode & 0o777).toBe(0o660);
  await expect(listen(server.engine, { kind: 'unix', path: server.path })).rejects.toThrow(
    'another daemon is listening',
  );
  const file = `${server.path}.file`;
  writeFileSync(file, '');
  await expect(listen(server.engine, { kind: 'unix', path: file })).rejects.toThrow('is not a socket');
  const nowhere = `${server.path}.nowhere/sock`;
  await expect(listen(server.engine, { kind: 'unix', path: nowhere })).rejects.toThrow('there is no directory');
});

test('one server listens on several sockets', async () => {
  const probe = createTcpServer().listen(0, '127.0.0.1');
  await pause(20);
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  await listen(server.engine, { kind: 'tcp', host: '127.0.0.1', port });
  expect(await (await fetch(`http://127.0.0.1:${port}/_ping`)).text()).toBe('OK');
});

test('who is refused before its body has arrived can still send it, and reads why', async () => {
  const client = server.connect();
  const body = Buffer.alloc(4 << 20);
  client.socket.write(`PUT /containers/x/archive?path=/ HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`);
  const failure = await new Promise((resolve) => client.socket.write(body, resolve));
  expect(failure ?? undefined).toBeUndefined();
  await client.until(() => client.ended);
  expect(client.received).toMatch(/^HTTP\/1.1 404 [\s\S]*No such container: x/);
});

test('a body that never ends does not keep a refused request alive', async () => {
  const client = server.connect();
  client.socket.write('PUT /containers/x/archive?path=/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
  const endless = setInterval(() => client.socket.writable && client.socket.write('1\r\nx\r\n'), 20);
  try {
    await new Promise((resolve) => client.socket.once('error', resolve).once('close', resolve));
  } finally {
    clearInterval(endless);
  }
  expect(client.received).toContain('No such container: x');
});
