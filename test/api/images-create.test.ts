import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ImageServer, tarOf } from '../support/image-server.js';

let server: ImageServer;
let root: Buffer;

beforeEach(async () => {
  server = new ImageServer();
  await server.start();
  root = await tarOf([
    { name: 'etc/', type: 'directory' },
    { name: 'etc/hostname', content: 'imported' },
    { name: 'gone', content: 'x' },
  ]);
});
afterEach(() => server.dispose());

const importImage = (body: Buffer, query: string) =>
  server.http.request.post(`/images/create?fromSrc=-&${query}`).set('Content-Type', 'application/x-tar').send(body);
const inspect = (name: string) => server.http.request.get(`/v1.51/images/${name}/json`);

test('a root file system becomes an image', async () => {
  const changes = ['CMD ["sh"]', 'ENV A=1', 'LABEL x=y']
    .map((change) => `changes=${encodeURIComponent(change)}`)
    .join('&');
  const { body } = await importImage(root, `repo=mine&tag=1&message=hello&${changes}`).expect(200);
  const image = (await inspect('mine:1').expect(200)).body;
  expect(body).toEqual({ status: image.Id });
  expect(image).toMatchObject({
    Comment: 'hello',
    Parent: '',
    Size: 9,
    Config: { Cmd: ['sh'], Env: ['A=1'], Labels: { x: 'y' } },
  });
  expect(readFileSync(join(server.images.layerDirectories(image.Id)[0] ?? '', 'etc/hostname'), 'utf8')).toBe(
    'imported',
  );
  expect(server.events.map(({ action, attributes }) => [action, attributes['name']])).toEqual([
    ['tag', 'mine:1'],
    ['import', image.Id],
  ]);
});

test('compressed, for another platform, without a name', async () => {
  const { body } = await importImage(gzipSync(root), 'platform=linux/arm64/v8').expect(200);
  expect((await inspect(body.status).expect(200)).body).toMatchObject({
    Architecture: 'arm64',
    Variant: 'v8',
    RepoTags: [],
  });
});

test.each<[string, Buffer, string, RegExp]>([
  ['text', Buffer.from('root:x:0:0\n'.repeat(100)), '', /failed to unpack layer/],
  ['damaged gzip', Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]), '', /archive is not valid: .*unexpected EOF/],
  ['a change that is none', Buffer.alloc(1024), 'changes=RUN%20x', /^RUN is not a valid change command$/],
  ['a name that is none', Buffer.alloc(1024), 'repo=A', /must be lowercase/],
  ['another system', Buffer.alloc(1024), 'platform=windows', /operating system is not supported/],
  ['a platform that is none', Buffer.alloc(1024), 'platform=a/b/c/d', /cannot parse platform specifier/],
])('%s is refused', async (_name, body, query, message) => {
  const answer = await importImage(body, query).expect(400);
  expect(answer.body.message).toMatch(message);
  expect(await server.files()).toEqual({ blobs: [], layers: [], temporary: [] });
});

test('a URL is refused by name', async () => {
  const { body } = await server.http.request.post('/images/create?fromSrc=http://example.com/x.tar').expect(501);
  expect(body.message).toContain('importing from a URL (http://example.com/x.tar) is not supported');
});

describe('commit', () => {
  let base: string;

  beforeEach(async () => {
    base = (await importImage(root, `repo=base&message=first&changes=${encodeURIComponent('ENV A=1')}`)).body.status;
    const config = { Cmd: ['sleep', '1'], Env: ['A=1'], Labels: { a: 'b' } };
    server.containers.push({ id: 'cafe', imageId: base, running: false, config });
  });

  const commit = (query: string, body?: object) =>
    server.http.request.post(`/commit?container=cafe&${query}`).send(body ?? {});

  test('what a container changed becomes a layer', async () => {
    const upper = server.upper('cafe');
    mkdirSync(join(upper, 'etc'));
    writeFileSync(join(upper, 'etc/new'), 'new');
    const query = `repo=child&author=me&comment=hi&changes=${encodeURIComponent('EXPOSE 80')}&changes=${encodeURIComponent('ENV B=2')}`;
    const { body } = await commit(query).expect(201);
    const child = (await inspect('child').expect(200)).body;
    expect(child).toMatchObject({
      Id: body.Id,
      Parent: base,
      Author: 'me',
      Comment: 'hi',
      Config: { Cmd: ['sleep', '1'], Env: ['A=1', 'B=2'], ExposedPorts: { '80/tcp': {} }, Labels: { a: 'b' } },
    });
    expect(child.RootFS.Layers).toHaveLength(2);
    const [top = '', bottom] = server.images.layerDirectories(body.Id);
    expect(readFileSync(join(top, 'etc/new'), 'utf8')).toBe('new');
    expect([bottom]).toEqual(server.images.layerDirectories(base));
    const history = (await server.http.request.get('/images/child/history').expect(200)).body;
    expect(history).toMatchObject([
      { Id: body.Id, CreatedBy: 'sleep 1', Comment: 'hi', Tags: ['child:latest'], Size: 3 },
      { Id: base, CreatedBy: '', Comment: 'first', Tags: ['base:latest'], Size: 9 },
    ]);
  });

  test('a container that changed nothing adds no layer', async () => {
    const { body } = await commit('').expect(201);
    expect((await inspect(body.Id)).body.RootFS.Layers).toHaveLength(1);
  });

  test('a configuration given with the request comes before the container’s', async () => {
    const { body } = await commit('', { Cmd: ['other'], Env: ['A=2', 'C=3'] }).expect(201);
    expect((await inspect(body.Id)).body.Config).toMatchObject({
      Cmd: ['other'],
      Env: ['A=2', 'C=3'],
      Labels: { a: 'b' },
    });
  });

  test('an image on which another is built cannot be removed, and goes with it', async () => {
    const { body } = await commit('repo=child').expect(201);
    server.containers.length = 0;
    const refused = await server.http.request.delete(`/images/${base}?force=1`).expect(409);
    expect(refused.body.message).toBe(
      `conflict: unable to delete ${base.slice(7, 19)} (cannot be forced) - image has dependent child images`,
    );
    expect((await server.http.request.delete('/images/base').expect(200)).body).toEqual([{ Untagged: 'base:latest' }]);
    // Without a name and with children it is no longer listed, unless all are asked for.
    expect((await server.http.request.get('/images/json')).body).toHaveLength(1);
    expect((await server.http.request.get('/images/json?all=1')).body).toHaveLength(2);
    const removed = (await server.http.request.delete('/images/child').expect(200)).body;
    expect((removed as object[]).slice(0, 3)).toEqual([
      { Untagged: 'child:latest' },
      { Deleted: body.Id },
      { Deleted: base },
    ]);
    expect(await server.files()).toEqual({ blobs: [], layers: [], temporary: [] });
  });

  test('there is no such container', async () => {
    const { body } = await server.http.request.post('/commit?container=nope').expect(404);
    expect(body.message).toBe('No such container: nope');
  });
});
