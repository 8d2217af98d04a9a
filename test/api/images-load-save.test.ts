import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { extract } from 'tar-stream';
import {
  configOf,
  dockerArchive,
  dockerEntries,
  ImageServer,
  layerOf,
  ociLayout,
  sha256,
  tarOf,
  type ImageParts,
} from '../support/image-server.js';

let server: ImageServer;
let parts: ImageParts;

beforeEach(async () => {
  server = new ImageServer();
  await server.start();
  parts = { layers: [await layerOf('a', 'below'), await layerOf('b', 'above')] };
});
afterEach(() => server.dispose());

const load = (archive: Buffer, query = '') =>
  server.http.request
    .post(`/v1.51/images/load${query}`)
    .set('Content-Type', 'application/x-tar')
    .buffer()
    .parse(collect)
    .send(archive);
const inspect = (name: string) => server.http.request.get(`/v1.51/images/${encodeURIComponent(name)}/json`);

async function save(query: string): Promise<Buffer> {
  const response = await server.http.request.get(`/v1.51/images/get?${query}`).buffer().parse(collect).expect(200);
  return response.body as Buffer;
}

function collect(response: unknown, done: (error: Error | null, body: Buffer) => void): void {
  const stream = response as NodeJS.ReadableStream;
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => done(null, Buffer.concat(chunks)));
}

async function read(archive: Buffer): Promise<Map<string, string>> {
  const parser = extract();
  parser.end(archive);
  const files = new Map<string, string>();
  for await (const entry of parser) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry) chunks.push(chunk as Uint8Array);
    files.set(entry.header.name, Buffer.concat(chunks).toString('latin1'));
  }
  return files;
}

test('a client that does not want it quiet is told how far the layers are', async () => {
  const archive = await dockerArchive(parts, ['app:1']);
  const answer = await load(archive, '?quiet=0');
  const messages = String(answer.body)
    .trim()
    .split('\r\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(messages).toEqual([
    ...parts.layers.map((layer) => {
      const [size, id] = [layer.length, sha256(layer).slice(0, 12)];
      const bar = { status: 'Loading layer', progressDetail: { current: size, total: size }, id };
      return { ...bar, progress: expect.stringMatching(/^\[={50}>\]/) as string };
    }),
    { stream: 'Loaded image: app:1\n' },
  ]);
  // They are here already.
  expect(String((await load(await ociLayout(parts), '?quiet=0')).body)).not.toContain('Loading layer');
});

test('an archive of docker save becomes an image with its layers unpacked, topmost first', async () => {
  const answer = await load(await dockerArchive(parts, ['app:1', 'localhost:5000/app'])).expect(200);
  expect(
    String(answer.body)
      .trim()
      .split('\r\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([{ stream: 'Loaded image: app:1\n' }, { stream: 'Loaded image: localhost:5000/app:latest\n' }]);
  const id = `sha256:${sha256(configOf(parts))}`;
  const image = await inspect('app:1').expect(200);
  expect(image.body).toMatchObject({
    Id: id,
    RepoTags: ['app:1', 'localhost:5000/app:latest'],
    Size: 10,
    RootFS: { Type: 'layers', Layers: parts.layers.map((layer) => `sha256:${sha256(layer)}`) },
  });
  const [top = '', base = ''] = server.images.layerDirectories(id);
  expect(readFileSync(join(top, 'b'), 'utf8')).toBe('above');
  expect(readFileSync(join(base, 'a'), 'utf8')).toBe('below');
  expect(server.events).toEqual([{ type: 'image', action: 'load', actorId: id, attributes: { name: id } }]);
  expect((await server.files())['temporary']).toEqual([]);
});

test.each([
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
])('archives and layers compressed with %s', async (_name, compress) => {
  const archive = await dockerArchive({ ...parts, blobs: parts.layers.map((layer) => compress(layer)) }, ['app']);
  await load(compress(archive)).expect(200);
  const id = `sha256:${sha256(configOf(parts))}`;
  expect((await inspect('app').expect(200)).body.Id).toBe(id);
  expect(readFileSync(join(server.images.layerDirectories(id)[0] ?? '', 'b'), 'utf8')).toBe('above');
});

test.each([
  ['io.containerd.image.name', 'docker.io/library/app:2', 'app:2'],
  ['org.opencontainers.image.ref.name', 'registry.example.com/app:3', 'registry.example.com/app:3'],
])('an OCI layout is named by %s', async (annotation, value, name) => {
  const archive = await ociLayout(
    { ...parts, blobs: parts.layers.map((layer) => gzipSync(layer)) },
    { [annotation]: value },
  );
  await load(archive).expect(200);
  expect((await inspect(name).expect(200)).body.RepoTags).toEqual([name]);
});

test('an OCI layout without a name is loaded by id', async () => {
  const answer = await load(await ociLayout(parts)).expect(200);
  expect(String(answer.body)).toContain(`Loaded image ID: sha256:${sha256(configOf(parts))}\\n`);
});

test('a repeated layer may be a link to a file of the archive, as older Dockers wrote it', async () => {
  const [layer = Buffer.alloc(0)] = parts.layers;
  const config = configOf({ layers: [layer] });
  await load(
    await tarOf([
      { name: 'config.json', content: config },
      { name: '1/layer.tar', content: layer },
      { name: '2/layer.tar', type: 'symlink', linkname: '../1/layer.tar' },
      {
        name: 'manifest.json',
        content: JSON.stringify([{ Config: 'config.json', RepoTags: ['x'], Layers: ['2/layer.tar'] }]),
      },
    ]),
  ).expect(200);
  await inspect('x').expect(200);
});

test('what was saved is loaded again, byte for byte the same', async () => {
  await load(await dockerArchive(parts, ['app:1', 'app:2'])).expect(200);
  const first = await save('names=app');
  const files = await read(first);
  expect(JSON.parse(files.get('manifest.json') ?? '')[0].RepoTags).toEqual(['app:1', 'app:2']);
  expect(JSON.parse(files.get('repositories') ?? '')).toEqual({
    app: { '1': sha256(parts.layers[1] ?? ''), '2': sha256(parts.layers[1] ?? '') },
  });
  for (const [name, content] of files) {
    const hex = /^blobs\/sha256\/(\w+)$/.exec(name)?.[1];
    if (hex) expect(sha256(Buffer.from(content, 'latin1'))).toBe(hex);
  }
  await server.http.request.delete('/v1.51/images/app:1').expect(200);
  await server.http.request.delete('/v1.51/images/app:2').expect(200);
  expect(await server.files()).toEqual({ blobs: [], layers: [], temporary: [] });
  await load(first).expect(200);
  expect(sha256(await save('names=app'))).toBe(sha256(first));
});

test('by id, an image is saved without names', async () => {
  await load(await dockerArchive(parts, ['app:1'])).expect(200);
  const files = await read(await save(`names=${sha256(configOf(parts)).slice(0, 12)}`));
  expect(JSON.parse(files.get('manifest.json') ?? '')[0].RepoTags).toBeNull();
  expect(files.has('repositories')).toBe(false);
});

test('saving what does not exist is refused before anything is sent', async () => {
  const answer = await server.http.request.get('/v1.51/images/get?names=nothing').expect(404);
  expect(answer.body.message).toBe('No such image: nothing');
});

test('several images in one archive share what they have in common', async () => {
  const other = { layers: [...parts.layers, await layerOf('c', 'more')] };
  const [first, second] = [dockerEntries(parts, ['one']), dockerEntries(other, ['two'])];
  const names = new Set<string>();
  const entries = [...first.entries, ...second.entries].filter(({ name }) => !names.has(name) && names.add(name));
  await load(
    await tarOf([...entries, { name: 'manifest.json', content: JSON.stringify([first.listed, second.listed]) }]),
  ).expect(200);
  const [one, two] = [await inspect('one'), await inspect('two')].map(({ body }) =>
    server.images.layerDirectories(body.Id),
  );
  expect(two?.slice(1)).toEqual(one);
  await server.http.request.delete('/v1.51/images/one').expect(200);
  expect((await server.files())['layers']).toHaveLength(3);
});

test('the same archive loaded many times at once is one image', async () => {
  const archive = await dockerArchive(parts, ['app']);
  await Promise.all(Array.from({ length: 6 }, () => load(archive).expect(200)));
  expect((await server.files())['layers']).toHaveLength(2);
  expect((await server.files())['temporary']).toEqual([]);
  expect((await server.http.request.get('/v1.51/images/json')).body).toHaveLength(1);
});
