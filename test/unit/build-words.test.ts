import { stepKey } from '../../daemon/build/cache-key.js';
import { copyDestination, copySource, isRemote, parentsTarget } from '../../daemon/build/copy-paths.js';
import { parseIgnoreFile } from '../../daemon/build/dockerignore.js';
import { isGitUrl, parseGitUrl } from '../../daemon/build/git-url.js';
import { OutputFrames } from '../../daemon/containers/output-frames.js';
import { BuildArguments, platformArguments } from '../../daemon/build/variables.js';
import { parseDockerfile } from '../../daemon/dockerfile/parse.js';

test.each([
  ['a/b', 'a/b'],
  ['/a/../b/', 'b'],
  ['../../etc/passwd', 'etc/passwd'],
  ['.', ''],
])('the source %s is the path %s of its root', (source, path) => {
  expect(copySource(source)).toBe(path);
});

test.each([
  ['', 'x', '/x'],
  ['/w', 'x/', '/w/x/'],
  ['/w', '.', '/w/'],
  ['/w', '/', '/'],
  ['/w', '../y', '/y'],
])('in %s the destination %s is %s', (directory, destination, path) => {
  expect(copyDestination(directory, destination)).toBe(path);
});

test('--parents keeps directories, from the pivot on', () => {
  expect(parentsTarget('/d/', 'a/b/c', 'a/b/c')).toBe('/d/a/b/c');
  expect(parentsTarget('/d/', 'a/b/c', 'a/./b/*')).toBe('/d/b/c');
});

test('URLs of git and of files are told apart', () => {
  expect(['https://h/a.git', 'git@h:a', 'ssh://h/a', 'https://h/a.git#main:d'].map(isGitUrl)).not.toContain(false);
  expect(['https://h/a.tar.gz', 'a.git', './x'].map(isGitUrl)).not.toContain(true);
  expect(isRemote('https://h/x')).toBe(true);
  expect(parseGitUrl('https://h/a.git#v1:sub')).toEqual({
    remote: 'https://h/a.git',
    reference: 'v1',
    subdirectory: 'sub',
  });
});

test.each(['--upload-pack=x', 'https://h/a.git#--upload-pack=x', 'ext::sh -c id', 'file:///etc'])(
  'git is not given %s',
  (url) => {
    expect(() => parseGitUrl(url)).toThrow('invalid git URL');
  },
);

test('.dockerignore: comments, blank lines and leading slashes mean nothing', () => {
  expect(parseIgnoreFile('# c\n\n /a \n!/b\n!\nc/*\n')).toEqual(['a', '!b', 'c/*']);
});

test('a key is that of the parent, the step and its content', () => {
  const key = stepKey('p', { run: 'x' });
  expect(stepKey('p', { run: 'x' })).toBe(key);
  expect(stepKey('q', { run: 'x' })).not.toBe(key);
  expect(stepKey('p', { run: 'y' })).not.toBe(key);
});

test("build arguments: given ones win, globals come last, proxies are nobody's", () => {
  const platform = platformArguments({ os: 'linux', architecture: 'arm64' });
  const given = new BuildArguments({ A: '1', http_proxy: 'p', Z: '9' }, platform);
  const { globalArguments } = parseDockerfile('ARG A=0\nARG B=${A}2\nFROM x');
  const globals = given.globals(globalArguments, '\\', 'x');
  expect(globals.get('B')).toBe('12');
  expect(globals.get('TARGETPLATFORM')).toBe('linux/arm64');
  expect(given.declare('B', undefined, globals)).toBe('12');
  expect(given.declare('B', 'own', globals)).toBe('own');
  expect(given.declare('C', undefined, globals)).toBeUndefined();
  expect(given.hidden).toEqual([['http_proxy', 'p']]);
  expect(given.unused).toEqual(['Z']);
});

test('frames of output come apart wherever they are cut', () => {
  const frame = (stream: number, text: string): Buffer => {
    const header = Buffer.alloc(8);
    header[0] = stream;
    header.writeUInt32BE(text.length, 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };
  const all = Buffer.concat([frame(1, 'out'), frame(2, 'err')]);
  for (let cut = 0; cut <= all.length; cut++) {
    const seen = { stdout: '', stderr: '' };
    const frames = new OutputFrames((stream, data) => (seen[stream] += Buffer.from(data).toString()));
    frames.push(all.subarray(0, cut));
    frames.push(all.subarray(cut));
    expect(seen).toEqual({ stdout: 'out', stderr: 'err' });
  }
});
