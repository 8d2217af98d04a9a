import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DockerRegistry } from '../support/docker-registry.js';
import { skopeo } from '../support/external-command.js';
import { bulkyLayer } from '../support/fake-registry.js';
import { dockerArchive, ImageServer, layerOf, type ImageParts } from '../support/image-server.js';
import { failure, statuses, transfer } from '../support/transfers.js';

let server: ImageServer;
let registry: DockerRegistry;
let directory: string;
let parts: ImageParts;

beforeAll(async () => {
  server = new ImageServer();
  registry = new DockerRegistry();
  directory = mkdtempSync(join(tmpdir(), 'gantry-pull-'));
  await Promise.all([server.start(), registry.start()]);
  parts = {
    layers: [await bulkyLayer('big', 400_000), await layerOf('small', 'above')],
    config: { Cmd: ['sh'], Labels: { made: 'here' } },
  };
  writeFileSync(join(directory, 'image.tar'), await dockerArchive(parts, ['test:latest']));
  await put('many/formats:v2s2', 'image', '--format', 'v2s2');
  await put('many/formats:oci', 'image', '--format', 'oci');
  // Layers of its own: skopeo would take over those that are there already.
  const ownLayers = [await bulkyLayer('zstd', 400_000), await layerOf('small', 'above, for zstd')];
  const own = await dockerArchive({ ...parts, layers: ownLayers }, ['test:latest']);
  writeFileSync(join(directory, 'own.tar'), own);
  await put('many/formats:zstd', 'own', '--format', 'oci', '--dest-compress-format', 'zstd');
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

const put = (name: string, archive: string, ...options: string[]) =>
  skopeo(
    ...['copy', '--dest-tls-verify=false', ...options],
    ...[`docker-archive:${join(directory, `${archive}.tar`)}`, `docker://${registry.host}/${name}`],
  );
const pull = (query: string, version = 'v1.51') =>
  transfer(server.http.path, `/${version}/images/create?fromImage=${registry.host}/${query}`);
const digestOf = async (name: string): Promise<string> =>
  (
    await skopeo('inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${registry.host}/${name}`)
  ).trim();
const image = (name: string) =>
  server.http.request.get(`/v1.51/images/${encodeURIComponent(`${registry.host}/${name}`)}/json`);

test.each([
  ['v2s2', 'application/vnd.docker.image.rootfs.diff.tar.gzip'],
  ['oci', 'application/vnd.oci.image.layer.v1.tar+gzip'],
  ['zstd', 'application/vnd.oci.image.layer.v1.tar+zstd'],
])('an image that skopeo has put there as %s is pulled', async (tag, mediaType) => {
  const digest = await digestOf(`many/formats:${tag}`);
  const pulled = await pull(`many/formats&tag=${tag}`);
  expect(pulled.status).toBe(200);
  const layers = server.images.store.layersOf(server.images.store.visibleImages()[0]?.id ?? '');
  const stored = JSON.parse(
    (await server.images.content.readDocument(server.images.store.visibleImages()[0]?.manifest ?? '')).toString(),
  ) as { layers: { mediaType: string }[] };
  expect(stored.layers.map((layer) => layer.mediaType)).toEqual([mediaType, mediaType]);
  const [below, above] = layers.map(({ blob }) => blob.slice(7, 19));
  const lines = statuses(pulled);
  expect(lines.slice(0, 3)).toEqual([
    `${tag}: Pulling from many/formats`,
    `${below}: Pulling fs layer`,
    `${above}: Pulling fs layer`,
  ]);
  // The upper one may be downloaded before or after the lower one is complete.
  expect(lines.filter((line) => !line.endsWith(': Download complete')).slice(-4)).toEqual([
    `${below}: Pull complete`,
    `${above}: Pull complete`,
    `Digest: ${digest}`,
    `Status: Downloaded newer image for ${registry.host}/many/formats:${tag}`,
  ]);
  for (const id of [below, above]) {
    const own = pulled.messages.filter((message) => message['id'] === id).map(({ status }) => status);
    const order = [
      'Pulling fs layer',
      'Downloading',
      'Verifying Checksum',
      'Download complete',
      'Extracting',
      'Pull complete',
    ];
    expect([...new Set(own)]).toEqual(order);
  }
  const last = pulled.messages.findLast((message) => message['status'] === 'Downloading' && message['id'] === below);
  const size = layers[0]?.blob_size;
  expect(last).toMatchObject({ progressDetail: { current: size, total: size } });
  expect(last?.['progress']).toMatch(/^\[={50}>\] {2,}[\d.]+kB\/[\d.]+kB$/);
  expect(Object.keys(last ?? {})).toEqual(['status', 'progressDetail', 'progress', 'id']);

  const { body } = await image(`many/formats:${tag}`).expect(200);
  expect(body.RepoDigests).toEqual([`${registry.host}/many/formats@${digest}`]);
  const [top] = server.images.layerDirectories(body.Id);
  expect(readFileSync(join(top ?? '', 'small'), 'utf8')).toMatch(/^above/);
  const name = `${registry.host}/many/formats`;
  expect(server.events).toEqual([
    { type: 'image', action: 'pull', actorId: `${name}:${tag}`, attributes: { made: 'here', name } },
  ]);
});

test('what is there is not brought again', async () => {
  const first = await pull('many/formats&tag=v2s2');
  expect(statuses(first).at(-1)).toBe(`Status: Downloaded newer image for ${registry.host}/many/formats:v2s2`);
  const digest = await digestOf('many/formats:v2s2');
  const again = await pull('many/formats:v2s2');
  expect(statuses(again)).toEqual([
    'v2s2: Pulling from many/formats',
    `Digest: ${digest}`,
    `Status: Image is up to date for ${registry.host}/many/formats:v2s2`,
  ]);
  // By digest it is another name of the same image.
  const name = `${registry.host}/many/formats@${digest}`;
  const byDigest = await pull(`many/formats&tag=${digest}`);
  expect(statuses(byDigest)).toEqual([
    `${name}: Pulling from many/formats`,
    `Digest: ${digest}`,
    `Status: Image is up to date for ${name}`,
  ]);
  // A layer that another image has is not downloaded.
  const more = { ...parts, layers: [...parts.layers, await layerOf('more', 'more')] };
  writeFileSync(join(directory, 'more.tar'), await dockerArchive(more, ['test:latest']));
  await put('many/more:1', 'more', '--format', 'v2s2');
  const grown = statuses(await pull('many/more:1'));
  expect(grown.filter((line) => line.endsWith(': Already exists'))).toHaveLength(2);
  expect(grown.filter((line) => line.endsWith(': Pull complete'))).toHaveLength(1);
});

test('layers that are plain tar archives are pulled, and an image has the digests of all its manifests', async () => {
  await put('many/plain:gzip', 'image', '--format', 'v2s2');
  await registry.putUncompressed('many/plain', 'plain', parts);
  const plain = await digestOf('many/plain:plain');
  const gzip = await digestOf('many/plain:gzip');
  expect(statuses(await pull('many/plain:plain')).slice(-2)).toEqual([
    `Digest: ${plain}`,
    `Status: Downloaded newer image for ${registry.host}/many/plain:plain`,
  ]);
  const { body } = await image('many/plain:plain').expect(200);
  const directories = server.images.layerDirectories(body.Id);
  expect(readFileSync(join(directories[0] ?? '', 'small'), 'utf8')).toBe('above');
  expect(server.images.store.layersOf(body.Id).map(({ blob, diff_id }) => blob === diff_id)).toEqual([true, true]);

  // The same image under another manifest is another name, and nothing to download.
  const again = statuses(await pull('many/plain:gzip'));
  expect(again.slice(1)).toEqual([
    `Digest: ${gzip}`,
    `Status: Downloaded newer image for ${registry.host}/many/plain:gzip`,
  ]);
  const { body: both } = await image('many/plain:gzip').expect(200);
  const names = [plain, gzip].map((digest) => `${registry.host}/many/plain@${digest}`);
  expect(both).toMatchObject({ Id: body.Id, RepoDigests: names.sort() });
});

test('without a tag all of them are pulled', async () => {
  const pulled = await pull('many/formats');
  const begun = statuses(pulled).filter((line) => line.includes('Pulling from'));
  expect(begun.sort()).toEqual([
    'oci: Pulling from many/formats',
    'v2s2: Pulling from many/formats',
    'zstd: Pulling from many/formats',
  ]);
  expect(statuses(pulled).at(-1)).toBe(`Status: Downloaded newer image for ${registry.host}/many/formats`);
  const listed = await server.http.request.get('/v1.51/images/json?manifests=1').expect(200);
  const names = (listed.body as { RepoTags: string[]; RepoDigests: string[] }[]).map(({ RepoTags, RepoDigests }) => [
    RepoTags.length,
    RepoDigests.length,
  ]);
  expect(names).toEqual([
    [1, 1],
    [1, 1],
    [1, 1],
  ]);
});

test('an index gives the image of the platform that is asked for', async () => {
  const other = { ...parts, document: { architecture: 'arm64', variant: 'v8' } };
  writeFileSync(join(directory, 'arm64.tar'), await dockerArchive(other, ['test:latest']));
  await put('many/platforms:arm64', 'arm64', '--format', 'oci');
  await put('many/platforms:amd64', 'image', '--format', 'oci');
  const entries = await Promise.all(
    ['arm64', 'amd64'].map(async (architecture) => {
      const raw = await skopeo(
        'inspect',
        '--raw',
        '--tls-verify=false',
        `docker://${registry.host}/many/platforms:${architecture}`,
      );
      const digest = await digestOf(`many/platforms:${architecture}`);
      const mediaType = 'application/vnd.oci.image.manifest.v1+json';
      return { mediaType, digest, size: Buffer.byteLength(raw), platform: { os: 'linux', architecture } };
    }),
  );
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const answer = await fetch(`http://${registry.host}/v2/many/platforms/manifests/both`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: JSON.stringify({ schemaVersion: 2, mediaType, manifests: entries }),
  });
  expect(answer.status).toBe(201);
  const index = answer.headers.get('docker-content-digest');

  const facts = await server.http.request
    .get(`/v1.51/distribution/${registry.host}/many/platforms:both/json`)
    .expect(200);
  expect(facts.body.Descriptor).toMatchObject({ mediaType, digest: index });
  expect(facts.body.Platforms).toEqual(entries.map(({ platform }) => platform));
  const one = await server.http.request
    .get(`/v1.51/distribution/${registry.host}/many/platforms:arm64/json`)
    .expect(200);
  expect(one.body.Platforms).toEqual([{ architecture: 'arm64', os: 'linux', variant: 'v8' }]);
  const none = await server.http.request.get(`/v1.51/distribution/${registry.host}/many/platforms:x/json`).expect(404);
  expect(none.body.message).toMatch(/^manifest unknown: /);

  expect(statuses(await pull('many/platforms:both&platform=linux/arm64')).at(-2)).toBe(`Digest: ${index}`);
  const { body } = await image('many/platforms:both').expect(200);
  expect(body).toMatchObject({ Architecture: 'arm64', RepoDigests: [`${registry.host}/many/platforms@${index}`] });
  expect(statuses(await pull('many/platforms:both&platform=linux/amd64')).at(-1)).toMatch(/^Status: Downloaded newer/);
  expect((await image('many/platforms:both').expect(200)).body.Architecture).toBe('amd64');
  expect(failure(await pull('many/platforms:both&platform=linux/s390x'))).toBe(
    'no matching manifest for linux/s390x in the manifest list entries',
  );
  const warned = await pull('many/platforms:amd64&platform=linux/arm64');
  expect(statuses(warned).at(-1)).toBe(
    `WARNING: image with reference ${registry.host}/many/platforms:amd64 was found but its platform (linux/amd64) ` +
      'does not match the specified platform (linux/arm64)',
  );
});

test('newer clients draw the bars themselves', async () => {
  const { messages } = await pull('many/formats:oci', 'v1.52');
  expect(messages.some((message) => 'progressDetail' in message)).toBe(true);
  expect(messages.some((message) => 'progress' in message)).toBe(false);
});

test.each([
  ['many/formats&tag=nope', 404, 'manifest for HOST/many/formats:nope not found: manifest unknown: manifest unknown'],
  ['no/where', 404, 'repository HOST/no/where not found: name unknown: repository name not known to registry'],
  ['Many/formats:1', 400, 'invalid reference format: repository name (Many/formats) must be lowercase'],
])('%s cannot be pulled', async (query, status, message) => {
  const pulled = await pull(query);
  expect([pulled.status, failure(pulled)]).toEqual([status, message.replaceAll('HOST', registry.host)]);
});

test.each([
  ['127.0.0.1:1/some/image', 500, 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'],
  [
    'no-such-host.invalid/some/image',
    500,
    /^Get "https:\/\/no-such-host.invalid\/v2\/": dial tcp: lookup no-such-host.invalid: /,
  ],
  ['scratch', 403, "'scratch' is a reserved name"],
])('nothing is pulled from %s', async (name, status, message) => {
  const pulled = await transfer(server.http.path, `/v1.51/images/create?fromImage=${name}&tag=latest`);
  expect(pulled.status).toBe(status);
  if (typeof message === 'string') expect(failure(pulled)).toBe(message);
  else expect(failure(pulled)).toMatch(message);
});
