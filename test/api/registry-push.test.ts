import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DockerRegistry } from '../support/docker-registry.js';
import { run, skopeo } from '../support/external-command.js';
import { bulkyLayer, FakeRegistry, refuse } from '../support/fake-registry.js';
import {
  configOf,
  dockerArchive,
  ImageServer,
  layerOf,
  ociLayout,
  sha256,
  type ImageParts,
} from '../support/image-server.js';
import { failure, statuses, transfer, type TransferOptions } from '../support/transfers.js';

let server: ImageServer;
let registry: DockerRegistry;
let directory: string;
let parts: ImageParts;

beforeAll(async () => {
  server = new ImageServer();
  registry = new DockerRegistry();
  directory = mkdtempSync(join(tmpdir(), 'gantry-push-'));
  await Promise.all([server.start(), registry.start()]);
  parts = { layers: [await bulkyLayer('big', 1_500_000), await layerOf('small', 'above')] };
});
afterAll(async () => {
  await server.dispose();
  await registry.stop();
  rmSync(directory, { recursive: true });
});
afterEach(() => {
  server.removeAll();
  server.events.length = 0;
});

const load = (archive: Buffer) =>
  server.http.request
    .post('/v1.51/images/load')
    .set('Content-Type', 'application/x-tar')
    .buffer(true)
    .parse(ignore)
    .send(archive)
    .expect(200);
const ignore = (response: unknown, done: (error: null, body: string) => void): void => {
  (response as NodeJS.ReadableStream).on('end', () => done(null, '')).resume();
};
const tag = (name: string, repo: string, as: string) =>
  server.http.request
    .post(`/v1.51/images/${encodeURIComponent(name)}/tag?repo=${registry.host}/${repo}&tag=${as}`)
    .expect(201);
const push = (name: string, query = '', options: TransferOptions = {}, host = registry.host) =>
  transfer(server.http.path, `/v1.51/images/${host}/${name}/push${query}`, options);
const manifestOf = (name: string): Promise<string> =>
  skopeo('inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/${name}`);
const shortDiffIds = (): string[] => parts.layers.map((layer) => sha256(layer).slice(0, 12));

test('an image that was made here is pushed compressed, and skopeo and umoci can use it', async () => {
  await load(await dockerArchive(parts, ['made:here']));
  await tag('made:here', 'made/here', '1');
  const pushed = await push('made/here', '?tag=1');
  const raw = await manifestOf('made/here:1');
  const digest = `sha256:${sha256(raw)}`;
  const [below, above] = shortDiffIds();
  expect(statuses(pushed).slice(0, 3)).toEqual([
    `The push refers to repository [${registry.host}/made/here]`,
    `${above}: Preparing`,
    `${below}: Preparing`,
  ]);
  expect(statuses(pushed)).toEqual(expect.arrayContaining([`${above}: Pushed`, `${below}: Pushed`]));
  expect(statuses(pushed).slice(-2)).toEqual([
    `1: digest: ${digest} size: ${raw.length}`,
    `aux ${JSON.stringify({ Tag: '1', Digest: digest, Size: raw.length })}`,
  ]);
  expect(pushed.messages.at(-1)?.['progressDetail']).toEqual({});
  const last = pushed.messages.findLast(({ status, id }) => status === 'Pushing' && id === below);
  expect(last).toMatchObject({ progressDetail: { current: parts.layers[0]?.length, total: parts.layers[0]?.length } });

  const manifest = JSON.parse(raw) as { layers: { mediaType: string; digest: string }[] };
  for (const layer of manifest.layers) expect(layer.mediaType).toBe('application/vnd.oci.image.layer.v1.tar+gzip');
  await skopeo('copy', '--src-tls-verify=false', `docker://${registry.host}/made/here:1`, `oci:${directory}/layout:1`);
  await run('umoci', 'unpack', '--image', `${directory}/layout:1`, `${directory}/bundle`);
  expect(readFileSync(join(directory, 'bundle/rootfs/small'), 'utf8')).toBe('above');
  expect(existsSync(join(directory, 'bundle/rootfs/big'))).toBe(true);

  const { body } = await server.http.request.get('/v1.51/images/made:here/json').expect(200);
  expect(body.RepoDigests).toEqual([`${registry.host}/made/here@${digest}`]);
  const name = `${registry.host}/made/here`;
  expect(server.events.filter(({ action }) => action === 'push')).toEqual([
    { type: 'image', action: 'push', actorId: `${name}:1`, attributes: { name } },
  ]);

  // The second time nothing is sent, and it is the same manifest.
  const again = statuses(await push('made/here', '?tag=1'));
  expect(again.filter((line) => line.endsWith(': Layer already exists'))).toHaveLength(2);
  expect(again.at(-2)).toBe(`1: digest: ${digest} size: ${raw.length}`);

  // To another repository of the registry the layers are not sent, either.
  await tag('made:here', 'made/elsewhere', '2');
  const mounted = statuses(await push('made/elsewhere', '?tag=2'));
  expect(mounted.filter((line) => line.endsWith(': Mounted from made/here'))).toHaveLength(2);
  expect(await manifestOf('made/elsewhere:2')).toBe(raw);
});

test('an image that was pulled goes as it came, byte by byte', async () => {
  const blobs = [gzipSync(parts.layers[0] ?? '', { level: 1 }), parts.layers[1] ?? Buffer.alloc(0)];
  const layout = join(directory, 'original');
  mkdirSync(layout);
  writeFileSync(
    join(directory, 'original.tar'),
    await ociLayout(
      { ...parts, blobs: [blobs[0] ?? Buffer.alloc(0), gzipSync(blobs[1] ?? '')] },
      { 'org.opencontainers.image.ref.name': '1' },
    ),
  );
  await run('tar', '-C', layout, '-xf', join(directory, 'original.tar'));
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await skopeo('copy', '--dest-tls-verify=false', `oci:${layout}:1`, `docker://${registry.host}/original/image:1`);
  const raw = await manifestOf('original/image:1');
  await transfer(server.http.path, `/v1.51/images/create?fromImage=${registry.host}/original/image&tag=1`);
  const name = `${registry.host}/original/image:1`;
  await tag(name, 'original/copy', '2');
  const pushed = statuses(await push('original/copy', '?tag=2'));
  expect(pushed.filter((line) => line.endsWith(': Mounted from original/image'))).toHaveLength(2);
  expect(await manifestOf('original/copy:2')).toBe(raw);
  const { body } = await server.http.request.get(`/v1.51/images/${encodeURIComponent(name)}/json`).expect(200);
  const digest = `sha256:${sha256(raw)}`;
  expect(body.RepoDigests).toEqual([
    `${registry.host}/original/copy@${digest}`,
    `${registry.host}/original/image@${digest}`,
  ]);
});

test('all tags of a repository are pushed, or the one that is named', async () => {
  await load(await dockerArchive({ layers: [parts.layers[1] ?? Buffer.alloc(0)] }, ['small:1']));
  for (const name of ['a', 'b', 'c']) await tag('small:1', 'all/tags', name);
  const all = statuses(await push('all/tags'));
  expect(all.filter((line) => line.startsWith('aux'))).toHaveLength(3);
  const { Tags } = JSON.parse(
    await skopeo('list-tags', '--tls-verify=false', `docker://${registry.host}/all/tags`),
  ) as { Tags: string[] };
  expect(Tags.sort()).toEqual(['a', 'b', 'c']);
  const refused: [string, string, string][] = [
    ['all/tags', '?tag=d', `tag does not exist: ${registry.host}/all/tags:d`],
    ['not/here', '?tag=d', `An image does not exist locally with the tag: ${registry.host}/not/here`],
  ];
  for (const [name, query, message] of refused) {
    const pushed = await push(name, query);
    expect([pushed.status, failure(pushed)]).toEqual([200, message]);
  }
  const unreachable = await transfer(server.http.path, '/v1.51/images/127.0.0.1:1/x/push?tag=1');
  expect(failure(unreachable)).toBe('An image does not exist locally with the tag: 127.0.0.1:1/x');
});

test('an upload that breaks off goes on where the registry says that it stopped', async () => {
  const fake = new FakeRegistry();
  await fake.start();
  const received: Buffer[] = [];
  const ranges: (string | undefined)[] = [];
  let finished = Buffer.alloc(0);
  fake.overrides.set('blobs/uploads/', (request, response) => {
    const length = (): number => received.reduce((sum, chunk) => sum + chunk.length, 0);
    const location = { location: `/v2/some/image/blobs/uploads/`, range: `0-${length() - 1}` };
    if (request.method === 'POST') return void response.writeHead(202, location).end();
    if (request.method === 'GET') return void response.writeHead(204, location).end();
    if (request.method === 'PUT') {
      finished = Buffer.concat(received);
      return void request.resume().on('end', () => response.writeHead(201).end());
    }
    ranges.push(request.headers['content-range']);
    request.on('data', (chunk: Buffer) => {
      if (ranges.length > 1 || length() < 500_000) received.push(chunk);
      if (ranges.length === 1 && length() >= 500_000) request.destroy();
    });
    request.on('end', () => response.writeHead(202, location).end());
  });
  const layer = gzipSync(parts.layers[0] ?? '');
  const config = { ...parts, layers: parts.layers.slice(0, 1), blobs: [layer] };
  await load(await ociLayout(config, { 'io.containerd.image.name': `${fake.host}/some/image:1` }));
  fake.overrides.set('manifests/1', (_request, response) => void response.writeHead(201).end());
  // The configuration is there already: only the layer is of interest.
  fake.addBlob(configOf(config));
  const pushed = await push('some/image', '?tag=1', {}, fake.host);
  expect(statuses(pushed).at(-1)).toMatch(/^aux/);
  expect(ranges).toHaveLength(2);
  expect(ranges[1]).toMatch(/^\d{6,7}-\d{7}$/);
  expect(finished.equals(layer)).toBe(true);

  // What is compressed while it is sent is compressed again.
  ranges.length = received.length = 0;
  const plain = { layers: parts.layers.slice(0, 1), config: { Cmd: ['plain'] } };
  await load(await dockerArchive(plain, [`${fake.host}/some/plain:1`]));
  fake.addBlob(configOf(plain));
  expect(statuses(await push('some/plain', '?tag=1', {}, fake.host)).at(-1)).toMatch(/^aux/);
  expect(ranges).toEqual([undefined, undefined]);

  fake.overrides.set('blobs/uploads/', (_request, response) =>
    refuse(response, 403, 'DENIED', 'requested access to the resource is denied'),
  );
  expect(failure(await push('some/image', '?tag=1', {}, fake.host))).toBe(
    'denied: requested access to the resource is denied',
  );
  await fake.stop();
});
