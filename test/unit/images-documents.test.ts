import { chainIds, digestOf } from '../../daemon/images/digest.js';
import { parseImageDocument } from '../../daemon/images/image-document.js';
import { matchesReference } from '../../daemon/images/list.js';
import { parseIndex, parseManifest, writeManifest } from '../../daemon/images/manifest.js';
import { matchesPlatform, parsePlatform, parsePlatformJson } from '../../daemon/images/platform.js';
import { parseReference } from '../../daemon/images/reference.js';

const digest = digestOf('x');
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const document = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digest] } };
const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: 1 };

test('the chain id of a layer depends on what lies below', () => {
  const [a = '', b = ''] = [digestOf('a'), digestOf('b')];
  expect(chainIds([])).toEqual([]);
  expect(chainIds([a, b])).toEqual([a, digestOf(`${a} ${b}`)]);
  expect(chainIds([b, a])[1]).not.toBe(chainIds([a, b])[1]);
});

test('a configuration is read', () => {
  expect(parseImageDocument(bytes({ ...document, config: { Cmd: null, Env: ['A=1'] } })).config?.Env).toEqual(['A=1']);
});

test.each<[string, unknown, string]>([
  ['a list', [], 'not a JSON object'],
  ['another system', { ...document, os: 'windows' }, 'cannot load windows image on linux'],
  ['no layers', { ...document, rootfs: {} }, 'rootfs.type'],
  ['a digest that is none', { ...document, rootfs: { type: 'layers', diff_ids: ['../x'] } }, 'diff_ids'],
  ['too many layers', { ...document, rootfs: { type: 'layers', diff_ids: Array(600).fill(digest) } }, '600 layers'],
  ['environment as text', { ...document, config: { Env: 'A=1' } }, 'config.Env has the wrong type'],
  ['a command of numbers', { ...document, config: { Cmd: [1] } }, 'config.Cmd has the wrong type'],
  ['labels as a list', { ...document, config: { Labels: ['a'] } }, 'config.Labels has the wrong type'],
  ['labels of objects', { ...document, config: { Labels: { a: {} } } }, 'config.Labels has the wrong type'],
  ['volumes of text', { ...document, config: { Volumes: { '/a': 'b' } } }, 'config.Volumes has the wrong type'],
  ['a user that is a number', { ...document, config: { User: 0 } }, 'config.User has the wrong type'],
  ['a health check of text', { ...document, config: { Healthcheck: { Interval: '5s' } } }, 'config.Healthcheck'],
  ['history of text', { ...document, history: ['x'] }, 'history has the wrong type'],
  ['config as text', { ...document, config: 'x' }, 'config has the wrong type'],
])('a configuration with %s is refused', (_name, value, message) => {
  expect(() => parseImageDocument(bytes(value))).toThrow(message);
});

test('what is not JSON, or not UTF-8, is refused', () => {
  expect(() => parseImageDocument(Buffer.from('{'))).toThrow('not valid JSON');
  expect(() => parseImageDocument(Buffer.from([0x22, 0xff, 0x22]))).toThrow('not valid JSON');
});

test.each<[string, unknown, string]>([
  ['another schema', { schemaVersion: 1 }, 'schemaVersion must be 2'],
  ['no config', { schemaVersion: 2, layers: [] }, 'without a mediaType'],
  ['layers as an object', { schemaVersion: 2, config: descriptor, layers: {} }, 'layers must be a list'],
  [
    'a digest of another kind',
    { schemaVersion: 2, config: { ...descriptor, digest: 'md5:x' }, layers: [] },
    'without a sha256',
  ],
  ['a negative size', { schemaVersion: 2, config: { ...descriptor, size: -1 }, layers: [] }, 'without a size'],
  [
    'very many layers',
    { schemaVersion: 2, config: descriptor, layers: Array(1001).fill(descriptor) },
    'more than 1000',
  ],
])('a manifest with %s is refused', (_name, value, message) => {
  expect(() => parseManifest(bytes(value), 'manifest')).toThrow(message);
});

test('an index with annotations that are not text is refused', () => {
  const index = { schemaVersion: 2, manifests: [{ ...descriptor, annotations: { a: 1 } }] };
  expect(() => parseIndex(bytes(index), 'index.json')).toThrow('annotations must be strings');
});

test('a manifest that was written is read again, always the same', () => {
  const layers = [{ digest, size: 1, compression: 'gzip' as const }];
  const written = writeManifest({ digest, size: 2 }, layers);
  expect(parseManifest(written, 'manifest')).toEqual({
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 2 },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: 1 }],
  });
  expect(writeManifest({ digest, size: 2 }, layers)).toEqual(written);
});

test.each([
  ['linux/amd64', { os: 'linux', architecture: 'amd64' }],
  ['linux/arm/v7', { os: 'linux', architecture: 'arm', variant: 'v7' }],
  ['x86_64', { os: 'linux', architecture: 'amd64' }],
  ['linux/aarch64', { os: 'linux', architecture: 'arm64' }],
])('platform %s', (text, expected) => {
  expect(parsePlatform(text)).toEqual(expected);
});

test('platforms that are none are refused', () => {
  expect(() => parsePlatform('a/b/c/d')).toThrow('"a/b/c/d": cannot parse platform specifier');
  expect(() => parsePlatform('linux/')).toThrow('cannot parse');
  expect(() => parsePlatformJson('{"os":"linux"}')).toThrow('both OS and Architecture');
  expect(() => parsePlatformJson('x')).toThrow('failed to parse platform');
});

test('a variant counts only when asked for', () => {
  expect(matchesPlatform(parsePlatform('linux/arm64'), parsePlatform('linux/arm64/v8'))).toBe(true);
  expect(matchesPlatform(parsePlatform('linux/arm/v6'), parsePlatform('linux/arm'))).toBe(true);
  expect(matchesPlatform(parsePlatform('linux/arm/v6'), parsePlatform('linux/arm/v7'))).toBe(false);
});

test.each([
  ['busybox', true], ['busybox:1', true], ['busy*', true], ['*:1', true], ['busybox:2', false], ['*/busybox', false],
  ['user/*', false],
])('reference filter %s fits busybox:1: %s', (pattern, expected) => {
  expect(matchesReference([pattern], parseReference('busybox:1'))).toBe(expected);
}); // prettier-ignore
