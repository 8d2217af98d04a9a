import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Durability } from '../../daemon/images/durability.js';
import { dockerArchive, ImageServer, layerOf, sha256, tarOf, type ImageParts } from '../support/image-server.js';

let server: ImageServer;

beforeEach(async () => {
  server = new ImageServer();
  await server.start();
});
afterEach(() => server.dispose());

const load = (archive: Buffer) =>
  server.http.request.post('/v1.51/images/load').set('Content-Type', 'application/x-tar').send(archive);
const nothing = { blobs: [], layers: [], temporary: [] };

async function someParts(): Promise<ImageParts> {
  return { layers: [await layerOf('a', 'one'), await layerOf('b', 'two')] };
}

async function restart(): Promise<void> {
  await server.stop();
  await server.start();
}

test('layers in every compression are stored as they came and unpacked once', async () => {
  const layer = await tarOf([{ name: 'f', content: randomBytes(700_000).toString('hex') }]);
  const forms = [layer, gzipSync(layer), zstdCompressSync(layer)];
  for (const [index, blob] of forms.entries()) {
    await load(await dockerArchive({ layers: [layer], blobs: [blob], config: { Cmd: [`${index}`] } }, null)).expect(
      200,
    );
  }
  const { blobs, layers } = await server.files();
  expect(layers).toEqual([sha256(layer)]);
  for (const blob of forms) expect(blobs).toContain(sha256(blob));
});

test.each([
  ['bzip2', 'bzip2'],
  ['xz', 'xz'],
])('an archive compressed with %s is loaded', async (_name, program) => {
  const archive = execFileSync(program, ['-c'], { input: await dockerArchive(await someParts(), ['app']) });
  await load(archive).expect(200);
  await server.http.request.get('/images/app/json').expect(200);
});

test.each([
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
])('a %s bomb is refused, and nothing of it remains', async (_name, compress) => {
  await server.dispose();
  server = new ImageServer({ maxBytes: 1024 * 1024, maxEntries: 100 });
  await server.start();
  const layer = await tarOf([{ name: 'zeros', content: Buffer.alloc(32 * 1024 * 1024) }]);
  const answer = await load(await dockerArchive({ layers: [layer], blobs: [compress(layer)] }, ['bomb'])).expect(400);
  expect(answer.body.message).toMatch(/layer is too large: .*holds more than 1048576 bytes/);
  expect(await server.files()).toEqual(nothing);
});

test('a layer of too many files is refused', async () => {
  await server.dispose();
  server = new ImageServer({ maxBytes: 1024 * 1024, maxEntries: 100 });
  await server.start();
  const layer = await tarOf(Array.from({ length: 101 }, (_, index) => ({ name: `f${index}` })));
  const answer = await load(await dockerArchive({ layers: [layer] }, ['many'])).expect(400);
  expect(answer.body.message).toMatch(/more than 100 entries/);
  expect(await server.files()).toEqual(nothing);
});

test('what has been synced is trusted after a power loss', async () => {
  await load(await dockerArchive(await someParts(), ['app'])).expect(200);
  await server.images.content.settled();
  expect(server.images.store.unsyncedOfOtherBoots('another boot')).toEqual([]);
  const { content } = server.images;
  expect(new Durability(content.store, content.addon, content.directories.blobs, 'another boot').doubtful()).toEqual(
    [],
  );
});

test('what a power loss may have torn is gone at the next start, and can be loaded again', async () => {
  const archive = await dockerArchive(await someParts(), ['app']);
  await load(archive).expect(200);
  await server.images.content.settled();
  const layer = (await server.files())['layers']?.[0] ?? '';
  server.images.store.markUnsynced(`sha256:${layer}`, 'the boot before');
  await restart();
  await server.http.request.get('/images/app/json').expect(404);
  expect(await server.files()).toEqual(nothing);
  await load(archive).expect(200);
  await server.http.request.get('/images/app/json').expect(200);
  await restart();
  await server.http.request.get('/images/app/json').expect(200);
});

test.each(['blobs', 'layers'])('an image that has lost one of its %s goes with its names', async (kind) => {
  await load(await dockerArchive(await someParts(), ['app'])).expect(200);
  await server.http.request.post('/images/app/tag?repo=app&tag=2').expect(201);
  const lost = (await server.files())[kind]?.[0] ?? '';
  rmSync(join(kind === 'blobs' ? server.images.directories.blobs : server.images.directories.layers, lost), {
    recursive: true,
  });
  await restart();
  expect(server.images.count()).toBe(0);
  expect(await server.files()).toEqual(nothing);
});

test('a saved image is byte for byte what tar reads, and loads again', async () => {
  const parts = { layers: [await tarOf([{ name: 'big', content: randomBytes(900_001) }])] };
  await load(await dockerArchive(parts, ['app'])).expect(200);
  const { body } = await server.http.request
    .get('/images/app/get')
    .buffer()
    .parse(collect as never)
    .expect(200);
  const path = join(server.root, 'saved.tar');
  writeFileSync(path, body as Buffer);
  const directory = join(server.root, 'saved');
  execFileSync('mkdir', [directory]);
  execFileSync('tar', ['-xf', path, '-C', directory]);
  expect(statSync(path).size % 512).toBe(0);
  for (const layer of parts.layers) {
    expect(sha256(readFileSync(join(directory, 'blobs/sha256', sha256(layer))))).toBe(sha256(layer));
  }
  expect(existsSync(join(directory, 'oci-layout'))).toBe(true);
  await server.http.request.delete('/images/app').expect(200);
  await load(body as Buffer).expect(200);
});

function collect(response: NodeJS.ReadableStream, done: (error: Error | null, body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  response.on('end', () => done(null, Buffer.concat(chunks)));
}

describe('a full disk', () => {
  let mount: string;

  beforeEach(async () => {
    await server.dispose();
    server = new ImageServer();
    mount = server.root;
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'gantry-test', mount]);
    await server.start();
  });
  afterEach(() => {
    // The server's own disposal comes after this, and expects a directory.
    execFileSync('umount', ['--lazy', mount]);
  });

  test('fails the load by name, leaves nothing, and the next one works', async () => {
    const large = { layers: [await tarOf([{ name: 'f', content: randomBytes(6 * 1024 * 1024) }])] };
    const answer = await load(await dockerArchive(large, ['large'])).expect(500);
    expect(answer.body.message).toMatch(/no space left/i);
    expect(await server.files()).toEqual(nothing);
    await load(await dockerArchive(await someParts(), ['app'])).expect(200);
    await restart();
    await server.http.request.get('/images/app/json').expect(200);
  });
});
