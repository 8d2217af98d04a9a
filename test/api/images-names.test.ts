import { Readable } from 'node:stream';
import { dockerArchive, ImageServer, layerOf, type ImageParts } from '../support/image-server.js';

let server: ImageServer;
const ids: Record<string, string> = {};

/** `base` with a label, `other` on the same first layer and newer. */
const images: Record<string, (base: Buffer, own: Buffer) => ImageParts> = {
  base: (base) => ({ layers: [base], config: { Labels: { kind: 'base', a: 'b' } } }),
  other: (base, own) => ({ layers: [base, own], document: { created: '2024-06-01T00:00:00.5Z' } }),
};

beforeEach(async () => {
  server = new ImageServer();
  await server.start();
  for (const [name, make] of Object.entries(images)) {
    await server.images.loader.load(
      streamOf(await dockerArchive(make(await layerOf('a', '1234'), await layerOf('b', name)), [name])),
      { quiet: true },
      () => Promise.resolve(),
    );
    ids[name] = server.images.resolve(name).id;
  }
  server.events.length = 0;
});
afterEach(() => server.dispose());

const streamOf = (content: Buffer): Readable => Readable.from([content]);
const get = (path: string) => server.http.request.get(path);
const list = async (filters: object, more = ''): Promise<string[]> => {
  const { body } = await get(`/images/json?filters=${encodeURIComponent(JSON.stringify(filters))}${more}`).expect(200);
  return (body as { RepoTags: string[] }[]).flatMap(({ RepoTags }) => RepoTags);
};
const tag = (name: string, repo: string) =>
  server.http.request.post(`/images/${name}/tag?repo=${encodeURIComponent(repo)}`);
const remove = (name: string, query = '') => server.http.request.delete(`/images/${name}${query}`);
const use = (image: string, running: boolean): void =>
  void server.containers.push({ id: 'c0ffee'.repeat(10), imageId: ids[image] ?? '', running, config: {} });
const short = (name: string): string => (ids[name] ?? '').slice(7, 19);

test('the list is newest first and has the shape of its version', async () => {
  const { body } = await get('/v1.51/images/json').expect(200);
  expect(body).toEqual([
    {
      Id: ids['other'], ParentId: '', RepoTags: ['other:latest'], RepoDigests: [], Created: 1717200000, Size: 9,
      SharedSize: -1, Labels: null, Containers: 0,
    },
    {
      Id: ids['base'], ParentId: '', RepoTags: ['base:latest'], RepoDigests: [], Created: 1704067200, Size: 4,
      SharedSize: -1, Labels: { kind: 'base', a: 'b' }, Containers: 0,
    },
  ]); // prettier-ignore
  const old = await get('/v1.24/images/json').expect(200);
  expect(old.body[0]).toMatchObject({ VirtualSize: 9, Containers: -1 });
  const shared = await get('/images/json?shared-size=1').expect(200);
  expect((shared.body as { SharedSize: number }[]).map(({ SharedSize }) => SharedSize)).toEqual([4, 4]);
});

test('filters', async () => {
  await tag('base', 'example.com/base:2').expect(201);
  expect(await list({ label: ['kind'] })).toEqual(['base:latest', 'example.com/base:2']);
  expect(await list({ label: ['kind=x'] })).toEqual([]);
  expect(await list({ 'label!': ['kind'] })).toEqual(['other:latest']);
  expect(await list({ reference: ['*:latest'] })).toEqual(['other:latest', 'base:latest']);
  expect(await list({ reference: ['example.com/*'] })).toEqual(['example.com/base:2']);
  expect(await list({ before: ['other'] })).toEqual(['base:latest', 'example.com/base:2']);
  expect(await list({ since: ['base'] })).toEqual(['other:latest']);
  expect(await list({ until: ['2024-03-01'] })).toEqual(['base:latest', 'example.com/base:2']);
  expect(await list({ dangling: ['true'] })).toEqual([]);
  expect((await get('/images/json?filters={"foo":["x"]}').expect(400)).body.message).toBe("invalid filter 'foo'");
  expect((await get('/images/json?filters={"before":["x"]}').expect(404)).body.message).toBe('No such image: x:latest');
});

test('names in Docker’s words when there is no such image', async () => {
  const cases: [string, number, string][] = [
    ['nope', 404, 'No such image: nope:latest'],
    ['nope:x', 404, 'No such image: nope:x'],
    ['Nope', 400, 'invalid reference format: repository name (library/Nope) must be lowercase'],
    ['sha256:abcd', 404, 'No such image: sha256:abcd'],
    ['deadbeef', 404, 'No such image: deadbeef:latest'],
    ['a:b:c', 400, 'invalid reference format'],
  ];
  for (const [name, status, message] of cases) {
    expect((await get(`/images/${name}/json`).expect(status)).body.message).toBe(message);
    expect((await get(`/images/${name}/history`).expect(status)).body.message).toBe(message);
    expect((await remove(name).expect(status)).body.message).toBe(message);
  }
});

test('a prefix of the id is enough while it is not ambiguous', async () => {
  expect((await get(`/images/${short('base')}/json`).expect(200)).body.Id).toBe(ids['base']);
  const insert = server.database.prepare(
    "INSERT INTO images (id, manifest, document, created, size) VALUES (?, '', '{}', 0, 0)",
  );
  insert.run((ids['base'] ?? '').slice(0, 20) + '0'.repeat(51));
  const { body } = await get(`/images/${short('base')}/json`).expect(400);
  expect(body.message).toBe(`multiple IDs found with provided prefix: ${short('base')}`);
});

test('tags', async () => {
  await tag('base', 'other').expect(201);
  expect((await get('/images/other/json')).body.Id).toBe(ids['base']);
  expect((await get(`/images/${ids['other']}/json`)).body.RepoTags).toEqual([]);
  expect(server.events.at(-1)).toMatchObject({
    action: 'tag',
    actorId: ids['base'],
    attributes: { name: 'other:latest', a: 'b' },
  });
  const message = async (path: string, status: number): Promise<string> =>
    (await server.http.request.post(`/images/base/tag?${path}`).expect(status)).body.message;
  expect(await message('repo=X&tag=y', 400)).toContain('must be lowercase');
  expect(await message('repo=x&tag=-y', 400)).toBe('invalid tag format');
  expect(await message('repo=sha256&tag=y', 400)).toBe(
    'refusing to create an ambiguous tag using digest algorithm as name',
  );
});

test('removing a name takes the image only with the last one', async () => {
  await tag('base', 'second:1').expect(201);
  expect((await remove('base').expect(200)).body).toEqual([{ Untagged: 'base:latest' }]);
  const { body } = await remove('second:1').expect(200);
  // The layer stays: `other` stands on it.
  expect(body).toEqual([{ Untagged: 'second:1' }, { Deleted: ids['base'] }]);
  expect(server.events.map(({ action }) => action)).toEqual(['tag', 'untag', 'untag', 'delete']);
});

test('by id, names of several repositories take force', async () => {
  await tag('base', 'second:1').expect(201);
  expect((await remove(short('base')).expect(409)).body.message).toBe(
    `conflict: unable to delete ${short('base')} (must be forced) - image is referenced in multiple repositories`,
  );
  expect((await remove(short('base'), '?force=1').expect(200)).body).toEqual([
    { Untagged: 'base:latest' },
    { Untagged: 'second:1' },
    { Deleted: ids['base'] },
  ]);
});

test('an image that a stopped container uses', async () => {
  use('other', false);
  expect((await remove('other').expect(409)).body.message).toBe(
    `conflict: unable to remove repository reference "other:latest" (must force) - ` +
      `container c0ffeec0ffee is using its referenced image ${short('other')}`,
  );
  expect((await remove(ids['other'] ?? '').expect(409)).body.message).toBe(
    `conflict: unable to delete ${short('other')} (must be forced) - image is being used by stopped container c0ffeec0ffee`,
  );
  const directories = server.images.layerDirectories(ids['other'] ?? '');
  expect((await remove('other', '?force=1').expect(200)).body).toEqual([
    { Untagged: 'other:latest' },
    { Deleted: ids['other'] },
  ]);
  await get('/images/other/json').expect(404);
  // The container can still be started; with it the content goes.
  expect(server.images.layerDirectories(ids['other'] ?? '')).toEqual(directories);
  server.containers.length = 0;
  server.images.removal.releaseUnused();
  expect(server.images.layerDirectories(ids['other'] ?? '')).toEqual([]);
  expect((await server.files())['layers']).toHaveLength(1);
});

test('an image that a running container uses loses its name by force, but not itself', async () => {
  use('other', true);
  expect((await remove(ids['other'] ?? '', '?force=1').expect(409)).body.message).toBe(
    `conflict: unable to delete ${short('other')} (cannot be forced) - image is being used by running container c0ffeec0ffee`,
  );
  expect((await remove('other', '?force=1').expect(200)).body).toEqual([{ Untagged: 'other:latest' }]);
  await get(`/images/${ids['other']}/json`).expect(200);
});

test('prune removes what has no name, or with dangling=false what no container uses', async () => {
  await tag('other', 'base').expect(201);
  const prune = (filters: object) => server.http.request.post(`/images/prune?filters=${JSON.stringify(filters)}`);
  expect((await prune({ until: ['2020-01-01'] }).expect(200)).body).toEqual({ ImagesDeleted: null, SpaceReclaimed: 0 });
  expect((await prune({}).expect(200)).body).toEqual({ ImagesDeleted: [{ Deleted: ids['base'] }], SpaceReclaimed: 0 });
  use('other', false);
  expect((await prune({ dangling: ['false'] }).expect(200)).body.ImagesDeleted).toBeNull();
  server.containers.length = 0;
  const { body } = await prune({ dangling: ['false'] }).expect(200);
  expect((body as { ImagesDeleted: object[] }).ImagesDeleted.slice(0, 3)).toEqual([
    { Untagged: 'base:latest' },
    { Untagged: 'other:latest' },
    { Deleted: ids['other'] },
  ]);
  expect(body.SpaceReclaimed).toBe(9);
  expect(server.events.at(-1)).toEqual({ type: 'image', action: 'prune', actorId: '', attributes: { reclaimed: '9' } });
  expect(await server.files()).toEqual({ blobs: [], layers: [], temporary: [] });
});

test('inspect has the shape of its version', async () => {
  const current = (await get('/v1.51/images/base/json').expect(200)).body;
  expect(current).toMatchObject({
    Parent: '',
    DockerVersion: '',
    Config: { Cmd: null, Labels: { kind: 'base' }, User: '' },
  });
  expect(current).not.toHaveProperty('ContainerConfig');
  expect(current.Config).not.toHaveProperty('Hostname');
  const old = (await get('/v1.43/images/base/json').expect(200)).body;
  expect(old).toMatchObject({ VirtualSize: 4, Container: '', Config: { Hostname: '', Image: '' } });
  const wrong = await get(
    `/images/base/json?platform=${encodeURIComponent('{"os":"linux","architecture":"s390x"}')}`,
  ).expect(404);
  expect(wrong.body.message).toMatch(/^image with reference base was found but its platform .* does not match/);
});
