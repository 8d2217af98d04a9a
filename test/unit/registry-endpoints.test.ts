import { pullEndpoints, pushEndpoints, splitRepository } from '../../daemon/images/registry/endpoints.js';
import { isInsecure } from '../../daemon/images/registry/insecure.js';
import { registryOf } from '../../daemon/images/registry/login.js';
import { choosePlatform } from '../../daemon/images/registry/platform-selection.js';
import { drawProgress, humanSize, ProgressQueue } from '../../daemon/images/registry/progress.js';
import { proxyFor } from '../../daemon/images/registry/proxies.js';
import { splitTerm } from '../../daemon/images/registry/search.js';
import type { RegistrySettings } from '../../daemon/images/registry/settings.js';
import type { ProgressMessage } from '../../daemon/http/progress.js';

const settings = (given: Partial<RegistrySettings>): RegistrySettings => ({
  mirrors: [],
  insecure: [],
  httpProxy: '',
  httpsProxy: '',
  noProxy: '',
  maxDownloads: 3,
  maxUploads: 5,
  maxAttempts: 5,
  certificates: [],
  ...given,
});

test('a repository is a registry and a path', () => {
  expect(splitRepository('docker.io/library/busybox')).toEqual({ registry: 'docker.io', path: 'library/busybox' });
  expect(splitRepository('[::1]:5000/a/b/c')).toEqual({ registry: '[::1]:5000', path: 'a/b/c' });
});

test('mirrors come before Docker Hub, and only for pulling from it', async () => {
  const mirrors = settings({ mirrors: ['https://one.example/', 'http://127.0.0.1:5000/'] });
  expect(await pullEndpoints('docker.io', mirrors)).toEqual([
    { origin: 'https://one.example', mirror: true },
    { origin: 'http://127.0.0.1:5000', mirror: true },
    { origin: 'https://registry-1.docker.io', mirror: false },
  ]);
  const hub = [{ origin: 'https://registry-1.docker.io', mirror: false }];
  expect(await pushEndpoints('docker.io', mirrors)).toEqual(hub);
  const other = [{ origin: 'https://192.0.2.1:5000', mirror: false }];
  expect(await pullEndpoints('192.0.2.1:5000', mirrors)).toEqual(other);
});

test.each([
  ['127.0.0.1:5000', [], true],
  ['127.9.9.9', [], true],
  ['[::1]:5000', [], true],
  ['localhost:5000', [], true],
  ['192.0.2.1:5000', [], false],
  ['192.0.2.1:5000', ['192.0.2.0/24'], true],
  ['192.0.3.1:5000', ['192.0.2.0/24'], false],
  ['registry.example:5000', ['registry.example:5000'], true],
  ['registry.example:5001', ['registry.example:5000'], false],
  ['[2001:db8::1]:5000', ['2001:db8::/32'], true],
])('%s with %j is insecure: %p', async (host, configured, expected) => {
  expect(await isInsecure(host, configured)).toBe(expected);
  const schemes = (await pushEndpoints(host, settings({ insecure: configured }))).map(
    ({ origin }) => origin.split(':')[0],
  );
  expect(schemes).toEqual(expected ? ['https', 'http'] : ['https']);
});

test.each([
  ['https://registry.example/v2/', '', 'http://secure:3128'],
  ['http://registry.example/v2/', '', 'http://plain:3128'],
  ['https://localhost:5000/', '', undefined],
  ['https://127.3.2.1/', '', undefined],
  ['https://[::1]:5000/', '', undefined],
  ['https://registry.example/', '*', undefined],
  ['https://registry.example/', 'a, example ,b', undefined],
  ['https://registry.example/', 'registry.example:8443', 'http://secure:3128'],
  ['https://registry.example/', 'REGISTRY.example:443', undefined],
  ['https://example/', '.example', 'http://secure:3128'],
  ['https://registry.example/', '.example', undefined],
  ['https://myexample/', 'example', 'http://secure:3128'],
  ['https://10.1.2.3/', '10.0.0.0/8', undefined],
  ['https://11.1.2.3/', '10.0.0.0/8,11.1.2.4', 'http://secure:3128'],
])('%s with the exceptions "%s" goes by %s', (url, noProxy, expected) => {
  const proxies = { httpProxy: 'plain:3128', httpsProxy: 'http://secure:3128', noProxy };
  expect(proxyFor(new URL(url), proxies)).toBe(expected);
});

test.each([
  ['', 'docker.io'],
  ['https://index.docker.io/v1/', 'docker.io'],
  ['registry.example:5000', 'registry.example:5000'],
  ['https://registry.example/v2/', 'registry.example'],
])('to log in at "%s" is to log in at %s', (server, registry) => {
  expect(registryOf(server)).toBe(registry);
});

test('the term of a search may name a registry', () => {
  expect(splitTerm('busybox')).toEqual({ query: 'busybox' });
  expect(splitTerm('some/image')).toEqual({ query: 'some/image' });
  expect(splitTerm('localhost:5000/some/image')).toEqual({ registry: 'localhost:5000', query: 'some/image' });
  expect(splitTerm('docker.io/library/x')).toEqual({ query: 'library/x' });
  expect(() => splitTerm('https://x/y')).toThrow(/should not have a scheme/);
});

test('of an index the entry that every machine can run comes first', () => {
  const entry = (digit: string, architecture: string, variant?: string) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${digit.repeat(64)}`,
    size: 1,
    platform: { os: 'linux', architecture, ...(variant ? { variant } : {}) },
  });
  const entries = [entry('1', 'amd64', 'v3'), entry('2', 'amd64'), entry('3', 'arm64', 'v8'), entry('4', 'unknown')];
  const chosen = (architecture: string, variant?: string) =>
    choosePlatform(entries, { os: 'linux', architecture, ...(variant ? { variant } : {}) })?.digest[7];
  expect(chosen('amd64')).toBe('2');
  expect(chosen('amd64', 'v3')).toBe('1');
  expect(chosen('arm64')).toBe('3');
  expect(chosen('s390x')).toBeUndefined();
  expect(
    choosePlatform([{ ...entry('5', 'amd64'), platform: { os: 'unknown', architecture: 'unknown' } }], {
      os: 'linux',
      architecture: 'amd64',
    }),
  ).toBeUndefined();
});

test('progress is drawn as Docker draws it', () => {
  expect(drawProgress(33_280, 3_000_000)).toBe(`[>${' '.repeat(50)}]  33.28kB/3MB`);
  expect(drawProgress(512, 141)).toBe(`[${'='.repeat(50)}>]     512B`);
  expect(drawProgress(1_280_000, 1_982_263)).toBe(`[${'='.repeat(32)}>${' '.repeat(18)}]   1.28MB/1.982MB`);
  expect(drawProgress(3_002_106, 3_002_106)).toBe(`[${'='.repeat(50)}>]  3.002MB/3.002MB`);
  expect(drawProgress(5, 0)).toBe('      5B');
  expect(humanSize(999_999)).toBe('1000kB');
  expect(humanSize(1_234_567_890_123)).toBe('1.235TB');
});

test('a slow client gets the newest measurement of each transfer, and everything else', async () => {
  const seen: string[] = [];
  const show = ({ id = '', status = '', progress = '' }: ProgressMessage): string =>
    `${id} ${status} ${progress}`.trim();
  const result = await new ProgressQueue().run(
    async (report) => {
      report({ id: 'a', status: 'Waiting', progressDetail: {} });
      for (let step = 1; step <= 100; step++) {
        report({ id: 'a', status: 'Downloading', progress: String(step), progressDetail: {} });
        report({ id: 'b', status: 'Downloading', progress: String(step), progressDetail: {} });
      }
      report({ id: 'a', status: 'Done', progressDetail: {} });
      return Promise.resolve('result');
    },
    async (message) => {
      seen.push(show(message));
      await Promise.resolve();
    },
  );
  expect(result).toBe('result');
  expect(seen).toEqual(['a Waiting', 'a Downloading 100', 'b Downloading 100', 'a Done']);
});
