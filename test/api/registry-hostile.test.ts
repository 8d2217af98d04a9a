import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import {
  bulkyLayer,
  digest,
  FakeRegistry,
  refuse,
  sendBlob,
  types,
  type ManifestDocument,
} from '../support/fake-registry.js';
import { ImageServer, layerOf, type ImageParts } from '../support/image-server.js';
import { failure, registryAuth, statuses, transfer, type TransferOptions } from '../support/transfers.js';

let server: ImageServer;
let registry: FakeRegistry;
let parts: ImageParts;
let before: Record<string, string[]>;

beforeAll(async () => {
  server = new ImageServer();
  await server.start();
});
afterAll(() => server.dispose());

beforeEach(async () => {
  registry = new FakeRegistry();
  await registry.start();
  parts = { layers: [await layerOf('a', 'below'), await bulkyLayer('b', 300_000)] };
  before = await server.files();
});
afterEach(async () => {
  server.removeAll();
  await registry.stop();
});

const pull = (tag: string, query = '', options: TransferOptions = {}) =>
  transfer(server.http.path, `/v1.51/images/create?fromImage=${registry.host}/some/image&tag=${tag}${query}`, options);

const expectNothingLeft = () =>
  eventually(
    () => server.files(),
    (files) => JSON.stringify(files) === JSON.stringify(before),
  );

const other = Buffer.from('something else');

/** What is wrong with an image, and the words in which it is refused. */
const hostile: Record<string, [(manifest: ManifestDocument) => object, RegExp]> = {
  'a layer of another digest': [
    (manifest) => {
      const [first, second] = manifest.layers;
      registry.blobs.set(digest(other), registry.blobs.get(second?.digest ?? '') ?? other);
      return { ...manifest, layers: [first, { ...second, digest: digest(other) }] };
    },
    /^filesystem layer verification failed for digest sha256:[0-9a-f]{64}$/,
  ],
  'a layer larger than its manifest says': [
    (manifest) => ({ ...manifest, layers: manifest.layers.map((layer) => ({ ...layer, size: 5 })) }),
    /has the wrong size: .* the 5 bytes that its manifest says$/,
  ],
  'a layer smaller than its manifest says': [
    (manifest) => ({ ...manifest, layers: manifest.layers.map((layer) => ({ ...layer, size: layer.size + 1 })) }),
    /^download of sha256:.* failed after attempts=5: unexpected EOF after/,
  ],
  'a configuration of another digest': [
    (manifest) => {
      registry.blobs.set(digest(other), registry.blobs.get(manifest.config.digest) ?? other);
      return { ...manifest, config: { ...manifest.config, digest: digest(other) } };
    },
    /^error pulling image configuration: image config verification failed for digest sha256:/,
  ],
  'a configuration of 100 MiB': [
    (manifest) => ({ ...manifest, config: { ...manifest.config, size: 100 * 1024 * 1024 } }),
    /^error pulling image configuration: image config is too large: 104857600 bytes$/,
  ],
  'a configuration that is none': [
    (manifest) => ({ ...manifest, config: { ...manifest.config, ...registry.addBlob(Buffer.from('[1]')) } }),
    /^image configuration is not a JSON object$/,
  ],
  'a configuration of the wrong type': [
    (manifest) => ({
      ...manifest,
      config: { ...manifest.config, mediaType: 'application/vnd.cncf.helm.config.v1+json' },
    }),
    /^Encountered remote "application\/vnd.cncf.helm.config.v1\+json"\(unknown\) when fetching$/,
  ],
  'a layer of an unknown type': [
    (manifest) => ({ ...manifest, layers: manifest.layers.map((layer) => ({ ...layer, mediaType: 'text/plain' })) }),
    /has the unsupported media type text\/plain$/,
  ],
  'another number of layers than the configuration has': [
    (manifest) => ({ ...manifest, layers: manifest.layers.slice(1) }),
    /has 1 layers, its configuration 2$/,
  ],
  'layers in another order than the configuration has': [
    (manifest) => ({ ...manifest, layers: manifest.layers.toReversed() }),
    /does not match the image configuration/,
  ],
  'layers without number': [
    (manifest) => ({ ...manifest, layers: Array.from({ length: 1001 }, () => manifest.layers[0]) }),
    /layers has more than 1000 entries$/,
  ],
  'a manifest that is an index as well': [(manifest) => ({ ...manifest, manifests: [] }), /is ambiguous/],
  'a manifest of schema 1': [() => ({ schemaVersion: 1, fsLayers: [] }), /schema 1 are not supported/],
  'a manifest that says that it is something else': [
    (manifest) => ({ ...manifest, mediaType: types.ociManifest }),
    /is a application\/vnd.oci.image.manifest.v1\+json, but was sent as/,
  ],
  'a layer that is no archive': [
    (manifest) => ({
      ...manifest,
      layers: [manifest.layers[0], { ...manifest.layers[1], ...registry.addBlob(other) }],
    }),
    /layer sha256:[0-9a-f]{64}/,
  ],
};

test.each(Object.keys(hostile))('%s is refused, and nothing of it remains', async (name) => {
  const [change, message] = hostile[name] ?? [];
  registry.addImage('bad', parts, change);
  const pulled = await pull('bad');
  expect(failure(pulled)).toMatch(message ?? /^$/);
  await expectNothingLeft();
  expect(server.images.store.allTags()).toEqual([]);
});

test('a manifest that is too large is refused before it is read', async () => {
  let sent = 0;
  registry.overrides.set('manifests/huge', (_request, response) => {
    response.writeHead(200, { 'content-type': types.manifest });
    const more = (): void => {
      if (response.destroyed || sent > 64 * 1024 * 1024) return void response.end();
      sent += 1024 * 1024;
      if (response.write(Buffer.alloc(1024 * 1024, 32))) setImmediate(more);
      else response.once('drain', more);
    };
    more();
  });
  const pulled = await pull('huge');
  expect(pulled.status).toBe(400);
  expect(failure(pulled)).toBe('manifest huge is too large: more than 4194304 bytes');
  expect(sent).toBeLessThan(32 * 1024 * 1024);
  await expectNothingLeft();
});

test('a list that leads to other content, to itself or too deep is refused', async () => {
  const image = registry.addImage('good', parts);
  const list = (entry: object, type = types.list): object => ({
    schemaVersion: 2,
    mediaType: type,
    manifests: [{ mediaType: types.manifest, platform: { os: 'linux', architecture: 'amd64' }, ...entry }],
  });
  registry.addManifest('false', list({ digest: digest(other), size: 3 }), types.list);
  registry.manifests.set(digest(other), { mediaType: types.manifest, content: Buffer.from('{}') });
  expect(failure(await pull('false', '&platform=linux/amd64'))).toBe(
    `manifest verification failed for digest ${digest(other)}`,
  );

  registry.addManifest('size', list({ digest: image.digest, size: image.size + 1 }), types.list);
  expect(failure(await pull('size', '&platform=linux/amd64'))).toMatch(/bytes, its index says/);

  let inner = registry.addManifest('depth0', list(image), types.list);
  for (let depth = 1; depth <= 5; depth++) {
    inner = registry.addManifest(`depth${depth}`, list({ ...inner, mediaType: types.list }), types.list);
  }
  expect(failure(await pull('depth5', '&platform=linux/amd64'))).toMatch(/is nested more than 4 deep$/);

  // A cycle needs a document that names its own digest: it is found out by that.
  const cyclic = digest('cyclic');
  const self = Buffer.from(JSON.stringify(list({ mediaType: types.list, digest: cyclic, size: 9 })));
  registry.manifests.set('cycle', { mediaType: types.list, content: self });
  registry.overrides.set(`manifests/${cyclic}`, (_request, response) => {
    response.writeHead(200, { 'content-type': types.list, 'docker-content-digest': cyclic }).end(self);
  });
  expect(failure(await pull('cycle', '&platform=linux/amd64'))).toBe(
    `manifest verification failed for digest ${cyclic}`,
  );

  registry.addManifest('elsewhere', list({ ...image, platform: { os: 'linux', architecture: 's390x' } }), types.list);
  const elsewhere = await pull('elsewhere', '&platform=linux/amd64');
  expect(elsewhere.status).toBe(200);
  expect(failure(elsewhere)).toBe('no matching manifest for linux/amd64 in the manifest list entries');
  await expectNothingLeft();
});

test('a broken transfer goes on where it stopped', async () => {
  const { layers } = registry.addImage('flaky', parts);
  const path = `blobs/${layers[1]}`;
  const blob = registry.blobs.get(layers[1] ?? '') ?? other;
  let tries = 0;
  registry.overrides.set(path, (request, response) => {
    if (++tries === 4) return sendBlob(blob, request, response);
    const start = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
    const range = start > 0 ? { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` } : {};
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': blob.length - start, ...range });
    response.write(blob.subarray(start, start + 70_000), () => response.destroy());
  });
  const pulled = await pull('flaky');
  expect(statuses(pulled).at(-1)).toMatch(/^Status: Downloaded newer image for/);
  expect(statuses(pulled).filter((line) => line.endsWith('Retrying in 1 second'))).toHaveLength(3);
  const offsets = registry.requestsOf(path).map(({ headers }) => Number(/\d+/.exec(headers.range ?? '0')?.[0]));
  expect(offsets).toEqual([...offsets].sort((one, two) => one - two));
  expect(offsets[3]).toBeGreaterThan(70_000);
});

test('a registry without ranges is asked again from the start, and one that is silent is given up', async () => {
  server.timings.silence = 400;
  const { layers } = registry.addImage('plain', parts);
  const blob = registry.blobs.get(layers[1] ?? '') ?? other;
  let tries = 0;
  registry.overrides.set(`blobs/${layers[1]}`, (_request, response) => {
    response.writeHead(200, { 'content-length': blob.length });
    if (++tries === 1) response.write(blob.subarray(0, 100_000), () => response.destroy());
    else response.end(blob);
  });
  expect(statuses(await pull('plain')).at(-1)).toMatch(/^Status: Downloaded newer image/);
  expect(tries).toBe(2);
  server.removeAll();

  server.settings.maxAttempts = 2;
  registry.overrides.set(`blobs/${layers[1]}`, (_request, response) => {
    response.writeHead(200, { 'content-length': blob.length }).write(blob.subarray(0, 1000));
  });
  expect(failure(await pull('plain'))).toMatch(
    /^download of sha256:[0-9a-f]{64} failed after attempts=2: Get ".*": net\/http: timeout awaiting response$/,
  );
  server.settings.maxAttempts = 5;
});

test('a registry that is busy is waited for as long as it asks, within reason', async () => {
  registry.addImage('busy', parts);
  const answers: [number, Record<string, string>][] = [
    [503, { 'retry-after': '1' }],
    [502, {}],
  ];
  registry.overrides.set('manifests/busy', (_request, response) => {
    const [status, headers] = answers.shift() ?? [0, {}];
    registry.overrides.delete(answers.length === 0 ? 'manifests/busy' : '');
    refuse(response, status, 'UNAVAILABLE', 'not now', headers);
  });
  const started = Date.now();
  expect(statuses(await pull('busy')).at(-1)).toMatch(/^Status: Downloaded newer image/);
  expect(Date.now() - started).toBeGreaterThan(950);

  for (const headers of [{ 'retry-after': '3600' }, {}]) {
    registry.overrides.set('manifests/limit', (_request, response) => {
      refuse(response, 429, 'TOOMANYREQUESTS', 'You have reached your pull rate limit.', headers);
    });
    const limited = await pull('limit');
    expect(limited.status).toBe(429);
    expect(failure(limited)).toBe('toomanyrequests: You have reached your pull rate limit.');
  }
});

test('a redirection is followed, but tells nobody else who asks', async () => {
  const { layers } = registry.addImage('redirected', parts);
  const blob = registry.blobs.get(layers[1] ?? '') ?? other;
  const seen: (string | undefined)[] = [];
  const storage = createServer((request, response) => {
    seen.push(request.headers.authorization);
    sendBlob(blob, request, response);
  }).listen(0, '127.0.0.1');
  await once(storage, 'listening');
  const basic = { 'www-authenticate': 'Basic realm="test"' };
  registry.overrides.set('/v2/', (_request, response) => refuse(response, 401, 'UNAUTHORIZED', 'who are you', basic));
  registry.overrides.set(`blobs/${layers[1]}`, (_request, response) => {
    response.writeHead(307, { location: `http://127.0.0.1:${(storage.address() as AddressInfo).port}/x` }).end();
  });
  const pulled = await pull('redirected', '', { headers: registryAuth({ username: 'alice', password: 'secret' }) });
  expect(statuses(pulled).at(-1)).toMatch(/^Status: Downloaded newer image/);
  expect(registry.requestsOf('manifests/redirected')[0]?.headers.authorization).toMatch(/^Basic /);
  expect(seen).toEqual([undefined]);

  registry.overrides.delete('/v2/');
  registry.overrides.set('manifests/around', (_request, response) => {
    response.writeHead(302, { location: '/v2/some/image/manifests/around' }).end();
  });
  expect(failure(await pull('around'))).toMatch(/stopped after 10 redirects$/);
  registry.overrides.set('manifests/file', (_request, response) => {
    response.writeHead(302, { location: 'file:///etc/passwd' }).end();
  });
  expect(failure(await pull('file'))).toMatch(/unsupported protocol scheme "file"$/);
  storage.closeAllConnections();
  storage.close();
});

test('refusals keep the words and the status that clients know', async () => {
  const refusals: [string, number, string, string, number, string][] = [
    [
      'denied',
      403,
      'DENIED',
      'requested access to the resource is denied',
      404,
      `pull access denied for HOST/some/image, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
    ],
    ['unauth', 401, 'UNAUTHORIZED', 'authentication required', 401, 'unauthorized: authentication required'],
    [
      'absent',
      404,
      'MANIFEST_UNKNOWN',
      'manifest unknown',
      404,
      'manifest for HOST/some/image:absent not found: manifest unknown: manifest unknown',
    ],
    [
      'norepo',
      404,
      'NAME_UNKNOWN',
      'repository name not known to registry',
      404,
      'repository HOST/some/image not found: name unknown: repository name not known to registry',
    ],
    ['broken', 500, 'UNKNOWN', 'oops', 500, 'received unexpected HTTP status: 500 Internal Server Error'],
  ];
  for (const [tag, status, code, text, expectedStatus, expected] of refusals) {
    registry.overrides.set(`manifests/${tag}`, (_request, response) => refuse(response, status, code, text));
    const pulled = await pull(tag);
    expect([pulled.status, failure(pulled)]).toEqual([expectedStatus, expected.replace('HOST', registry.host)]);
  }
  registry.overrides.set('manifests/escape', (_request, response) => {
    response.writeHead(404, { 'content-type': 'text/html' }).end('\u001b[2Jno\n');
  });
  expect(failure(await pull('escape'))).toBe('unknown:  [2Jno');
});

test('two clients share a transfer; when one leaves, the other is not disturbed, and when both leave it ends', async () => {
  const { layers } = registry.addImage('shared', parts);
  const blob = registry.blobs.get(layers[1] ?? '') ?? other;
  const waiting: (() => void)[] = [];
  const closed: string[] = [];
  registry.overrides.set(`blobs/${layers[1]}`, (_request, response) => {
    response.writeHead(200, { 'content-length': blob.length });
    response.write(blob.subarray(0, 50_000));
    response.on('close', () => closed.push('closed'));
    waiting.push(() => response.end(blob.subarray(50_000)));
  });
  const quitter = new AbortController();
  const first = pull('shared', '', { signal: quitter.signal }).catch(() => undefined);
  await eventually(
    () => waiting.length,
    (count) => count === 1,
  );
  let joined = '';
  const second = pull('shared', '', { onMessage: (line) => (joined += line) });
  // It is shown at once where everything stands.
  await eventually(
    () => joined,
    (text) => text.includes('Pulling from some/image') && text.includes('Downloading'),
  );
  quitter.abort();
  await first;
  waiting[0]?.();
  expect(statuses(await second).at(-1)).toMatch(/^Status: Downloaded newer image/);
  expect(registry.requestsOf(`blobs/${layers[1]}`)).toHaveLength(1);

  await server.http.request.delete(`/images/${encodeURIComponent(`${registry.host}/some/image:shared`)}`).expect(200);
  const lonely = new AbortController();
  closed.length = 0;
  const third = pull('shared', '', { signal: lonely.signal }).catch(() => undefined);
  await eventually(
    () => waiting.length,
    (count) => count === 2,
  );
  lonely.abort();
  await third;
  await eventually(
    () => closed,
    (events) => events.length > 0,
  );
  await expectNothingLeft();
});

test('the same layer of two images is brought in once, and no more layers at a time than allowed', async () => {
  server.timings.silence = 60_000;
  server.settings.maxDownloads = 2;
  const layers = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => layerOf(name, name)));
  const one = registry.addImage('one', { layers });
  registry.addImage('two', { layers, config: { Cmd: ['other'] } });
  let [running, most] = [0, 0];
  for (const layer of one.layers) {
    const blob = registry.blobs.get(layer) ?? other;
    registry.overrides.set(`blobs/${layer}`, (request, response) => {
      most = Math.max(most, ++running);
      setTimeout(() => {
        running--;
        sendBlob(blob, request, response);
      }, 30);
    });
  }
  const [first, second] = await Promise.all([pull('one'), pull('two')]);
  for (const pulled of [first, second]) expect(statuses(pulled).at(-1)).toMatch(/^Status: Downloaded newer image/);
  expect(statuses(first).some((line) => line.endsWith(': Waiting'))).toBe(true);
  expect(most).toBe(2);
  expect(registry.requests.filter(({ path }) => one.layers.includes(path.slice('blobs/'.length)))).toHaveLength(5);
  const top = server.images.layerDirectories(server.images.resolve(`${registry.host}/some/image:two`).id);
  expect(readFileSync(join(top[0] ?? '', 'e'), 'utf8')).toBe('e');
});
