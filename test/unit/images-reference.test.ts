import {
  familiarReference,
  idPrefix,
  parseReference,
  parseRepositoryAndTag,
  wholeId,
  withDefaultTag,
} from '../../daemon/images/reference.js';

const hex = '735cd79e8e5658bdbfa26b01a59d004c78fda03366f8ec1717707c9dccc6e846';

test.each([
  ['busybox', 'docker.io/library/busybox', undefined, 'busybox'],
  ['busybox:1.36', 'docker.io/library/busybox', '1.36', 'busybox:1.36'],
  ['docker.io/busybox', 'docker.io/library/busybox', undefined, 'busybox'],
  ['index.docker.io/library/busybox:a', 'docker.io/library/busybox', 'a', 'busybox:a'],
  ['library/busybox', 'docker.io/library/busybox', undefined, 'busybox'],
  ['user/app', 'docker.io/user/app', undefined, 'user/app'],
  ['localhost/app:x', 'localhost/app', 'x', 'localhost/app:x'],
  ['localhost:5000/app', 'localhost:5000/app', undefined, 'localhost:5000/app'],
  ['localhost:5000/a/b/c:v1', 'localhost:5000/a/b/c', 'v1', 'localhost:5000/a/b/c:v1'],
  ['registry.example.com/a', 'registry.example.com/a', undefined, 'registry.example.com/a'],
  ['Registry/a', 'Registry/a', undefined, 'Registry/a'],
  ['[::1]:5000/a:b', '[::1]:5000/a', 'b', '[::1]:5000/a:b'],
  ['a__b/c.d-e---f', 'docker.io/a__b/c.d-e---f', undefined, 'a__b/c.d-e---f'],
  ['docker.io/library/a/b', 'docker.io/library/a/b', undefined, 'library/a/b'],
])('%s is %s, tag %s, shown as %s', (text, repository, tag, familiar) => {
  const reference = parseReference(text);
  expect(reference.repository).toBe(repository);
  expect(reference.tag).toBe(tag);
  expect(familiarReference(reference)).toBe(familiar);
});

test('a digest stands beside a tag', () => {
  const reference = parseReference(`busybox:1@sha256:${hex}`);
  expect(reference).toEqual({ repository: 'docker.io/library/busybox', tag: '1', digest: `sha256:${hex}` });
});

test.each([
  [''], [':tag'], ['a:b:c'], ['a/'], ['/a'], ['a//b'], ['-a'], ['a-'], ['a@sha256:12'], [`a@sha256:${hex}@sha256:${hex}`],
  ['a:'], ['a: b'], ['a b'], ['a:-b'], ['../a'], ['a\nb'], ['a...b'], ['a:' + 'x'.repeat(129)],
])('%j is no reference', (text) => {
  expect(() => parseReference(text)).toThrow('invalid reference format');
}); // prettier-ignore

test('upper case is refused in the words that clients show', () => {
  expect(() => parseReference('Busybox')).toThrow(
    'invalid reference format: repository name (library/Busybox) must be lowercase',
  );
});

test('a name is not an image id', () => {
  expect(() => parseReference(hex)).toThrow('cannot specify 64-byte hexadecimal strings');
  expect(() => parseReference('a/' + 'b'.repeat(256))).toThrow('must not be more than 255 characters');
});

test('latest is meant where neither tag nor digest is given', () => {
  expect(withDefaultTag(parseReference('a')).tag).toBe('latest');
  expect(withDefaultTag(parseReference('a:b')).tag).toBe('b');
  expect(withDefaultTag(parseReference(`a@sha256:${hex}`)).tag).toBeUndefined();
});

test('a separate tag takes the place of the one in the repository', () => {
  expect(parseRepositoryAndTag('a:b', 'c').tag).toBe('c');
  expect(parseRepositoryAndTag('a', '').tag).toBe('latest');
  expect(() => parseRepositoryAndTag('a', '-c')).toThrow('invalid tag format');
  expect(() => parseRepositoryAndTag(`a@sha256:${hex}`, 'c')).toThrow('cannot import digest reference');
});

test('ids are told from names', () => {
  expect(wholeId(hex)).toBe(`sha256:${hex}`);
  expect(wholeId(`sha256:${hex}`)).toBe(`sha256:${hex}`);
  expect(wholeId('abcd')).toBeUndefined();
  expect(idPrefix('abcd')).toBe('abcd');
  expect(idPrefix('sha256:abcd')).toBe('abcd');
  expect(idPrefix('busybox')).toBeUndefined();
});
