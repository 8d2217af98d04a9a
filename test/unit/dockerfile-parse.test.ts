import { DockerfileError } from '../../daemon/dockerfile/dockerfile-error.js';
import type { Instruction, Keyword } from '../../daemon/dockerfile/instruction.js';
import { parseDockerfile } from '../../daemon/dockerfile/parse.js';

/** The instructions of the first stage, without what every one has. */
const stage = (text: string): object[] => parseDockerfile(`FROM scratch\n${text}`).stages[0]!.instructions.map(bare);
const bare = ({ location: _location, text: _text, ...rest }: Instruction): object => rest;
const one = (text: string): object => stage(text)[0]!;

describe('lines', () => {
  test('comments and blank lines do not count, also inside an instruction', () => {
    expect(stage('# comment\n\n  # indented\nENV A=1 \\\n# between\n\n  B=2\nUSER x')).toMatchObject([
      { keyword: 'ENV', pairs: [['A', '1'], ['B', '2']] },
      { keyword: 'USER', value: 'x' },
    ]); // prettier-ignore
  });

  test('the escape character may be followed by blanks, and a doubled one continues nothing', () => {
    expect(stage('RUN a \\  \n  b')).toMatchObject([{ command: { line: 'a   b' } }]);
    expect(() => stage('ENV A=x\\\\\n  b')).toThrow('unknown instruction: b');
  });

  test('a directive changes the escape character', () => {
    const { stages, directives } = parseDockerfile('# Escape = `\nFROM scratch\nRUN dir `\n C:\\\n');
    expect(directives.escape).toBe('`');
    expect(stages[0]?.instructions).toMatchObject([{ command: { line: 'dir  C:\\' } }]);
  });

  test('directives end at the first line that is none', () => {
    const { directives } = parseDockerfile('# syntax=docker/dockerfile:1\n# comment\n# escape=`\nFROM scratch');
    expect(directives).toEqual({ syntax: 'docker/dockerfile:1', escape: '\\' });
  });

  test('windows line ends and a byte order mark are no matter', () => {
    expect(parseDockerfile('\uFEFFFROM scratch\r\nUSER x\r\n').stages).toHaveLength(1);
  });

  test('an instruction knows its lines and its text', () => {
    const [run] = parseDockerfile('FROM scratch\n\nRUN a \\\n  b\n').stages[0]!.instructions;
    expect(run?.location).toEqual({ line: 3, lastLine: 4, text: 'RUN a \\\n  b' });
  });
});

describe('here-documents', () => {
  test('a script', () => {
    expect(one('RUN <<EOF\necho a\n# kept\nEOF\nUSER x')).toMatchObject({
      command: { form: 'shell', line: '<<EOF' },
      heredocs: [{ name: 'EOF', content: 'echo a\n# kept\n', expand: true, stripTabs: false }],
    });
  });

  test('several, quoted, with tabs stripped and with a descriptor', () => {
    expect(one('RUN cat <<-"A" 3<<B\n\ta\n\tA\n\tb\nB')).toMatchObject({
      heredocs: [
        { name: 'A', content: 'a\n', expand: false, stripTabs: true },
        { name: 'B', content: '\tb\n', expand: true, descriptor: '3' },
      ],
    });
  });

  test('files of COPY', () => {
    expect(one('COPY <<a.txt <<b.txt file /dir/\none\na.txt\ntwo\nb.txt')).toMatchObject({
      sources: ['file'],
      destination: '/dir/',
      heredocs: [
        { name: 'a.txt', content: 'one\n' },
        { name: 'b.txt', content: 'two\n' },
      ],
    });
  });

  test('a quoted << is none, and other instructions have none', () => {
    expect(one('RUN echo "<<EOF"')).toMatchObject({ heredocs: [] });
    expect(one('ENV A=<<EOF')).toMatchObject({ pairs: [['A', '<<EOF']] });
  });

  test('without its end it is an error that names the line', () => {
    expect(() => stage('RUN <<EOF\necho')).toThrow(/line 2: unterminated heredoc/);
  });
});

test.each<[string, { keyword: Keyword } & Record<string, unknown>]>([
  ['ARG A B=1 C="x y"', {
    keyword: 'ARG', variables: [{ name: 'A' }, { name: 'B', value: '1' }, { name: 'C', value: '"x y"' }],
  }],
  ['ENV A the rest "of it"', { keyword: 'ENV', pairs: [['A', 'the rest "of it"']] }],
  ['LABEL "a b"="c d" e=f\\ g', { keyword: 'LABEL', pairs: [['"a b"', '"c d"'], ['e', 'f\\ g']] }],
  ['expose 80 $PORT/udp', { keyword: 'EXPOSE', values: ['80', '$PORT/udp'] }],
  ['VOLUME ["/a b", "/c"]', { keyword: 'VOLUME', values: ['/a b', '/c'] }],
  ['SHELL ["/bin/ash", "-c"]', { keyword: 'SHELL', words: ['/bin/ash', '-c'] }],
  ['CMD ["a", "b"]', { keyword: 'CMD', command: { form: 'exec', words: ['a', 'b'] } }],
  ['ENTRYPOINT exec x', { keyword: 'ENTRYPOINT', command: { form: 'shell', line: 'exec x' } }],
  ['RUN ["a"', { keyword: 'RUN', command: { form: 'shell', line: '["a"' }, heredocs: [], mounts: [], network: 'default', security: 'sandbox' }],
  ['COPY --from=build --chown=1:2 --chmod=644 --link --exclude=*.md --exclude=x a b /c/', {
    keyword: 'COPY', from: 'build', parents: false, chown: '1:2', chmod: '644', link: true, exclude: ['*.md', 'x'],
    sources: ['a', 'b'], destination: '/c/', heredocs: [],
  }],
  ['COPY ["a b", "/c d"]', {
    keyword: 'COPY', parents: false, link: false, exclude: [], sources: ['a b'], destination: '/c d', heredocs: [],
  }],
  ['ADD --checksum=sha256:x --keep-git-dir https://example.com/a /b', {
    keyword: 'ADD', keepGitDirectory: true, checksum: 'sha256:x', link: false, exclude: [],
    sources: ['https://example.com/a'], destination: '/b', heredocs: [],
  }],
  ['ONBUILD COPY --from=x a b', { keyword: 'ONBUILD', value: 'COPY --from=x a b' }],
  ['HEALTHCHECK --interval=5s --retries=2 CMD test -e /ok', {
    keyword: 'HEALTHCHECK', health: { Interval: 5e9, Retries: 2, Test: ['CMD-SHELL', 'test -e /ok'] },
  }],
])('%s', (text, expected) => {
  expect(one(text)).toEqual(expected);
}); // prettier-ignore

test('RUN with mounts, a network and security', () => {
  const text =
    'RUN --mount=type=cache,target=/root/.npm,sharing=locked --mount=type=secret,id=token,required ' +
    '--mount=target=/src,rw --network=none --security=insecure make';
  expect(one(text)).toMatchObject({
    network: 'none',
    security: 'insecure',
    command: { line: 'make' },
    mounts: [
      { type: 'cache', target: '/root/.npm', sharing: 'locked', readOnly: false },
      { type: 'secret', id: 'token', required: true },
      { type: 'bind', target: '/src', readOnly: false },
    ],
  });
});

test('stages, their names, platforms and the arguments before them', () => {
  const file = parseDockerfile('ARG BASE=debian\nFROM --platform=$BUILDPLATFORM $BASE AS Build\nRUN x\nFROM scratch\n');
  expect(file.globalArguments).toMatchObject([{ variables: [{ name: 'BASE', value: 'debian' }] }]);
  expect(file.stages.map(({ from, name }) => [from.image, from.platform, name])).toEqual([
    ['$BASE', '$BUILDPLATFORM', 'build'],
    ['scratch', undefined, undefined],
  ]);
});

test.each([
  ['', 'file with no instructions'],
  ['ARG A', 'no build stage'],
  ['RUN x', 'line 1: no build stage in current context'],
  ['FROM a b', 'FROM requires either one or three arguments'],
  ['FROM a AS 1x', 'invalid name for build stage'],
  ['FROM scratch\nFORM x', 'line 2: unknown instruction: FORM (did you mean FROM?)\n  2 | FORM x'],
  ['# escape=x\nFROM a', 'invalid escape'],
  ['# escape=`\n# escape=`\nFROM a', 'only one escape'],
  ['FROM scratch\nCOPY a', 'COPY requires at least two arguments'],
  ['FROM scratch\nCOPY --form=x a b', 'unknown flag: --form: COPY takes --from'],
  ['FROM scratch\nCOPY --from a b', 'missing a value on flag: --from'],
  ['FROM scratch\nCOPY --link=perhaps a b', 'expecting boolean value for flag --link'],
  ['FROM scratch\nUSER --x y', 'unknown flag: --x: USER takes no flags'],
  ['FROM scratch\nRUN', 'RUN requires'],
  ['FROM scratch\nRUN --network=bridge x', 'invalid network mode'],
  ['FROM scratch\nRUN --mount=type=nfs,target=/x y', 'unsupported mount type "nfs"'],
  ['FROM scratch\nRUN --mount=type=tmpfs,source=/x,target=/x y', "unexpected key 'source' for mount type 'tmpfs'"],
  ['FROM scratch\nRUN --mount=type=cache y', 'target is required'],
  ['FROM scratch\nRUN --mount=target=/x,sharing=odd,type=cache y', 'unsupported sharing value'],
  ['FROM scratch\nONBUILD FROM x', "FROM isn't allowed as an ONBUILD trigger"],
  ['FROM scratch\nSHELL sh -c', 'JSON form'],
  ['FROM scratch\nHEALTHCHECK --interval=1 CMD x', 'invalid duration'],
])('%j is refused', (text, message) => {
  const parse = (): unknown => parseDockerfile(text);
  expect(parse).toThrow(message);
});

test('an error carries its place', () => {
  try {
    parseDockerfile('FROM scratch\nRUN a \\\n b\nBOGUS');
  } catch (error) {
    expect(error).toBeInstanceOf(DockerfileError);
    expect((error as DockerfileError).location).toEqual({ line: 4, lastLine: 4, text: 'BOGUS' });
    return;
  }
  throw new Error('it was not refused');
});
