import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { eventually } from '../support/eventually.js';
import {
  configOf,
  dockerArchive,
  dockerEntries,
  ImageServer,
  layerOf,
  sha256,
  tarOf,
  type ImageParts,
  type TarEntry,
} from '../support/image-server.js';

let server: ImageServer;
let parts: ImageParts;
let good: { entries: TarEntry[]; listed: Record<string, unknown> };

beforeAll(async () => {
  server = new ImageServer();
  await server.start();
  parts = { layers: [await layerOf('a', 'one'), await layerOf('b', 'two')] };
  good = dockerEntries(parts, ['app']) as typeof good;
});
afterAll(() => server.dispose());

const load = (archive: Buffer) =>
  server.http.request.post('/v1.51/images/load').set('Content-Type', 'application/x-tar').send(archive);
const manifest = (value: unknown): TarEntry => ({ name: 'manifest.json', content: JSON.stringify(value) });

/** Every hostile archive is refused in words that say why, and nothing of it remains. */
async function expectRefused(archive: Buffer, message: string | RegExp): Promise<void> {
  const answer = await load(archive);
  expect({ status: answer.status, message: answer.body.message }).toEqual({
    status: 400,
    message: expect.stringMatching(message) as unknown,
  });
  expect(await server.files()).toEqual({ blobs: [], layers: [], temporary: [] });
  expect(server.images.count()).toBe(0);
  expect(server.events).toEqual([]);
}

const archives: Record<string, [() => Promise<Buffer> | Buffer, RegExp]> = {
  'no archive at all': [() => Buffer.from('root:x:0:0\n'.repeat(100)), /invalid archive/],
  'an empty archive': [() => tarOf([]), /neither manifest.json nor index.json/],
  nothing: [() => Buffer.alloc(1), /invalid archive/],
  'a truncated archive': [async () => (await dockerArchive(parts, ['app'])).subarray(0, 2000), /invalid archive/],
  'truncated gzip': [async () => gzipSync(await dockerArchive(parts, ['app'])).subarray(0, 300), /invalid archive/],
  'an entry above the archive': [() => tarOf([{ name: '../../etc/passwd', content: 'x' }]), /leads out of it/],
  'an absolute entry': [() => tarOf([{ name: '/etc/passwd', content: 'x' }, manifest([])]), /leads out of it/],
  'a digest that does not match': [
    () => tarOf([{ name: `blobs/sha256/${'0'.repeat(64)}`, content: 'x' }]),
    /has digest sha256:/,
  ],
  'a layer that is a link out of the archive': [
    () =>
      tarOf([
        ...good.entries,
        { name: 'layer.tar', type: 'symlink', linkname: '/etc/passwd' },
        manifest([{ ...good.listed, Layers: ['layer.tar', 'layer.tar'] }]),
      ]),
    /layer.tar is a link to \/etc\/passwd, which is not a file in the archive/,
  ],
  'a layer that is a link to itself': [
    () =>
      tarOf([
        ...good.entries,
        { name: 'layer.tar', type: 'symlink', linkname: 'layer.tar' },
        manifest([{ ...good.listed, Layers: ['layer.tar'] }]),
      ]),
    /not a file in the archive/,
  ],
  'a missing layer': [() => tarOf([...good.entries.slice(0, 2), manifest([good.listed])]), /is missing/],
  'a missing configuration': [() => tarOf([...good.entries.slice(1), manifest([good.listed])]), /is missing/],
  'a path above the archive in the manifest': [
    () => tarOf([...good.entries, manifest([{ ...good.listed, Config: '../../../etc/passwd' }])]),
    /leads out of it/,
  ],
  'layers in the wrong order': [
    () =>
      tarOf([
        ...good.entries,
        manifest([{ ...good.listed, Layers: [...(good.listed['Layers'] as string[])].reverse() }]),
      ]),
    /does not match the image configuration/,
  ],
  'too few layers': [
    () =>
      tarOf([...good.entries, manifest([{ ...good.listed, Layers: (good.listed['Layers'] as string[]).slice(1) }])]),
    /has 1 layers, its configuration 2/,
  ],
  'the same file twice': [() => tarOf([...good.entries, ...good.entries, manifest([good.listed])]), /is in it twice/],
  'a manifest of text': [() => tarOf([{ name: 'manifest.json', content: '"x"' }]), /manifest.json is not a list/],
  'a manifest that is no JSON': [
    () => tarOf([{ name: 'manifest.json', content: '{' }]),
    /manifest.json is not valid JSON/,
  ],
  'a manifest of numbers': [() => tarOf([manifest([1])]), /Config must be a path/],
  'a huge manifest': [
    () => tarOf([{ name: 'manifest.json', content: Buffer.alloc(5 * 1024 * 1024, ' ') }]),
    /too large/,
  ],
  'a tag that is none': [
    () => tarOf([...good.entries, manifest([{ ...good.listed, RepoTags: ['../../x'] }])]),
    /invalid reference format/,
  ],
  'a huge configuration': [
    () => tarOf([{ name: 'c', content: Buffer.alloc(5 * 1024 * 1024, ' ') }, manifest([{ Config: 'c', Layers: [] }])]),
    /too large/,
  ],
  'a configuration of the wrong type': [
    () => dockerArchive({ ...parts, config: { Env: 'A=1' } }, ['app']),
    /config.Env has the wrong type/,
  ],
  'an image of another system': [
    () => dockerArchive({ ...parts, document: { os: 'windows' } }, ['app']),
    /windows image/,
  ],
  'a layer that is no archive': [
    () => {
      const layer = Buffer.from('not a tar archive, but long enough to look like one'.repeat(40));
      return dockerArchive({ layers: [layer] }, ['app']);
    },
    /failed to unpack layer/,
  ],
  'a layer that leads out of its directory': [
    async () => dockerArchive({ layers: [await tarOf([{ name: '../../../escaped', content: 'x' }])] }, ['app']),
    /failed to unpack layer/,
  ],
  'an index that contains itself': [
    () => {
      const type = 'application/vnd.oci.image.index.v1+json';
      const nested = (digest: string): object => ({
        schemaVersion: 2,
        manifests: [{ mediaType: type, digest, size: 1 }],
      });
      // A digest cannot be in its own content, so a cycle is as deep a nesting as can be.
      const blobs = [JSON.stringify(nested(`sha256:${'0'.repeat(64)}`))];
      for (let depth = 0; depth < 10; depth++)
        blobs.push(JSON.stringify(nested(`sha256:${sha256(blobs.at(-1) ?? '')}`)));
      return tarOf([
        { name: 'index.json', content: blobs.at(-1) ?? '' },
        ...blobs.map((content) => ({ name: `blobs/sha256/${sha256(content)}`, content })),
      ]);
    },
    /nested more than/,
  ],
  'an OCI layout without its manifest': [
    () =>
      tarOf([
        {
          name: 'index.json',
          content: JSON.stringify({
            schemaVersion: 2,
            manifests: [
              { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: `sha256:${'0'.repeat(64)}`, size: 1 },
            ],
          }),
        },
      ]),
    /is missing/,
  ],
};

test.each(Object.keys(archives))('%s is refused', async (name) => {
  const [make, message] = archives[name] ?? [];
  if (!make || !message) throw new Error(name);
  await expectRefused(await make(), message);
});

test('one bad image among good ones: none is loaded', async () => {
  const bad = dockerEntries({ layers: [Buffer.from('x'.repeat(2048))] }, ['bad']);
  await expectRefused(
    await tarOf([...good.entries, ...bad.entries, manifest([good.listed, bad.listed])]),
    /failed to unpack layer/,
  );
});

test('a damaged archive of another compression is refused', async () => {
  await expectRefused(Buffer.from('BZh91AY&SY and more'), /invalid archive: .*bzip/);
});

test('a client that goes away before the first bytes leaves nothing behind', async () => {
  const before = await server.files();
  const socket = connect(server.http.path);
  socket.write(
    'POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: 9\r\n\r\nabc',
  );
  await delay(100);
  socket.destroy();
  await delay(100);
  expect(await server.files()).toEqual(before);
});

test('a client that goes away in the middle leaves nothing behind', async () => {
  const archive = await dockerArchive({ layers: [await layerOf('a', 'x'.repeat(4 * 1024 * 1024))] }, ['app']);
  const socket = connect(server.http.path);
  socket.write(
    `POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: ${archive.length}\r\n\r\n`,
  );
  socket.write(archive.subarray(0, archive.length / 2));
  await eventually(
    () => readdirSync(server.images.directories.temporary).length,
    (count) => count === 1,
  );
  socket.destroy();
  await eventually(
    () => readdirSync(server.images.directories.temporary).length,
    (count) => count === 0,
  );
  expect(await server.files()).toEqual({ blobs: [], layers: [], temporary: [] });
});

test('what a crash leaves without a row is gone after the next start', async () => {
  const config = configOf(parts);
  await load(await dockerArchive(parts, ['app'])).expect(200);
  const before = await server.files();
  const { directories } = server.images;
  await server.stop();
  writeFileSync(join(directories.blobs, 'f'.repeat(64)), 'torn');
  mkdirSync(join(directories.layers, 'e'.repeat(64), 'deep'), { recursive: true });
  mkdirSync(join(directories.temporary, 'half', '1'), { recursive: true });
  await server.start();
  expect(await server.files()).toEqual(before);
  await server.http.request.get(`/images/${sha256(config)}/json`).expect(200);
  await server.http.request.delete('/images/app').expect(200);
});
