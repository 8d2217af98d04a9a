import { ignoreMatcher } from '../../daemon/build/ignore-matcher.js';
import { checkDockerfile } from '../../daemon/dockerfile/checks.js';
import { parseCheckOptions } from '../../daemon/dockerfile/check-options.js';
import { urlOf } from '../../daemon/dockerfile/check-rules.js';
import { parseDockerfile } from '../../daemon/dockerfile/parse.js';
import { visitVariables } from '../../daemon/dockerfile/stage-variables.js';

function check(lines: string[], built?: number[]): string[] {
  const dockerfile = parseDockerfile(lines.join('\n'));
  const stages = new Set(built ?? dockerfile.stages.keys());
  const globals = new Map([['TARGETPLATFORM', 'linux/amd64']]);
  const defaults = new Map([...globals, ['GOOD', 'a:1'], ['BAD', 'A b']]);
  const found = checkDockerfile(dockerfile, { built: stages, globals, defaults });
  const options = parseCheckOptions(dockerfile.directives.check ?? '');
  return found.filter(({ rule }) => !options.skips(rule)).map(({ rule, location }) => `${location.line} ${rule}`);
}

test.each([
  [['FROM a as Foo'], ['1 StageNameCasing', '1 FromAsCasing']],
  [['from a as b', 'RUN x', 'RUN y'], ['1 ConsistentInstructionCasing']],
  [['from a', 'run x', 'Run y'], ['3 ConsistentInstructionCasing']],
  [['FROM a AS scratch', 'FROM a AS context'], ['1 ReservedStageName', '2 ReservedStageName']],
  [['FROM a AS b', 'FROM a AS b'], ['2 DuplicateStageName']],
  [['FROM a', 'MAINTAINER me'], ['2 MaintainerDeprecated']],
  [['ARG A', 'FROM x$A:${B:-c}'], ['2 UndefinedArgInFrom']],
  [['ARG A', 'FROM a', 'FROM $A'], ['3 InvalidDefaultArgInFrom']],
  [['ARG GOOD BAD A', 'FROM $GOOD', 'FROM $BAD', 'FROM ${A:-b}'], ['3 InvalidDefaultArgInFrom']],
  [['FROM a', 'EXPOSE 1 2/tcp 3/TCP 4:5 [::1]:6:7/Udp $A/TCP'], ['2 ExposeProtoCasing', '2 ExposeInvalidFormat', '2 ExposeProtoCasing', '2 ExposeInvalidFormat']],
  [['# check=experimental=all', '# other', '# b the base', '', 'FROM a AS b', '# c', 'ARG b', '# d', 'ARG c d', '# e', 'RUN x', 'ARG f'], ['7 InvalidDefinitionDescription']],
  [['# b', 'FROM a AS c'], []],
  [['# check=experimental=InvalidDefinitionDescription;skip=all', '# b', 'FROM a AS C'], ['3 InvalidDefinitionDescription']],
  [['FROM --platform=$TARGETPLATFORM a'], ['1 RedundantTargetPlatform']],
  [['FROM --platform=linux/arm64 a', 'FROM --platform=linux/arm64 a AS on-arm64', 'FROM --platform=$BUILDPLATFORM a'], ['1 FromPlatformFlagConstDisallowed']],
  [['FROM a', 'RUN x \\', '', ' # comment', '  y'], ['4 NoEmptyContinuation']],
  [['FROM a', 'RUN <<E', '', 'E'], []],
  [['FROM a', 'WORKDIR x', 'WORKDIR y'], ['2 WorkdirRelativePath']],
  [['FROM a AS b', 'WORKDIR /x', 'FROM b', 'WORKDIR y'], []],
  [['FROM a', 'ENV a b', 'LABEL c d', 'ENV e=f'], ['2 LegacyKeyValueFormat', '3 LegacyKeyValueFormat']],
  [['FROM a', 'ENV DB_PASSWORD=x', 'ARG API_TOKEN', 'ARG PUBLIC_KEY MONKEY'], ['2 SecretsUsedInArgOrEnv', '3 SecretsUsedInArgOrEnv']],
  [['FROM a', 'CMD x', 'ENTRYPOINT ["y"]'], ['2 JSONArgsRecommended']],
  [['FROM a', 'SHELL ["/s"]', 'CMD x'], []],
  [['FROM a', 'CMD ["x"]', 'CMD ["y"]'], ['2 MultipleInstructionsDisallowed']],
])('%j', (lines, found) => {
  expect(check(lines)).toEqual(found);
}); // prettier-ignore

test('what is in a stage counts only where the stage is built', () => {
  expect(check(['FROM a AS B', 'CMD x', 'FROM a', 'CMD y'], [1])).toEqual([
    '1 StageNameCasing',
    '4 JSONArgsRecommended',
  ]);
});

test('options of the directive', () => {
  const options = parseCheckOptions('skip=JSONArgsRecommended, StageNameCasing;error=true');
  expect(['JSONArgsRecommended', 'StageNameCasing', 'FromAsCasing'].map(options.skips)).toEqual([true, true, false]);
  expect(options.isError).toBe(true);
  expect(parseCheckOptions('skip=all').skips('FromAsCasing')).toBe(true);
  expect(parseCheckOptions('').skips('CopyIgnoredFile')).toBe(true);
  expect(parseCheckOptions('skip=all;experimental=CopyIgnoredFile').skips('CopyIgnoredFile')).toBe(false);
  expect(parseCheckOptions('').isError).toBe(false);
  expect(() => parseCheckOptions('error=perhaps')).toThrow('error is to be true or false, not "perhaps"');
  expect(() => parseCheckOptions('foo=bar')).toThrow('failed to parse check options: invalid check option "foo"');
});

test('every rule has a page', () => {
  expect(urlOf('JSONArgsRecommended')).toBe('https://docs.docker.com/go/dockerfile/rule/json-args-recommended/');
  expect(urlOf('FromAsCasing')).toBe('https://docs.docker.com/go/dockerfile/rule/from-as-casing/');
});

/** "line name" of variables that nothing defines. @param environments of the images, by name */
function undefinedIn(lines: string[], environments: Record<string, string[]> = { a: ['PATH'] }): string[] {
  const { stages, directives } = parseDockerfile(lines.join('\n'));
  const found: string[] = [];
  visitVariables(
    stages.map(({ from, instructions }, index) => {
      const base = stages.slice(0, index).findIndex(({ name }) => name === from.image);
      const environment = environments[from.image]?.map((name): [string, string] => [name, 'x']);
      return {
        index,
        instructions,
        environment: environment && new Map(environment),
        base: base < 0 ? undefined : base,
      };
    }),
    directives.escape,
    (_name, fallback) => fallback,
    { missing: (name, _known, { location }) => found.push(`${location.line} ${name}`) },
  );
  return found;
}

test.each([
  [['FROM a', 'ENV A=$A$PATH B=${B:-x} C=${C+$D}', 'ENV E=$A$F'], ['2 A', '2 B', '2 C', '2 D', '3 F']],
  [['FROM a', 'ARG A', 'ENV B=$A C=$a'], ['3 a']],
  [['FROM a', 'ARG A=1 B=$A', 'RUN echo $x', 'CMD $x', "LABEL $l='$x'", 'EXPOSE $x', 'ONBUILD ENV a=$x'], ['5 l']],
  [['FROM a', 'COPY --chown=$a --chmod=7$b $c $d', 'WORKDIR $e', 'USER $f', 'VOLUME x$g', 'STOPSIGNAL $h'], ['2 c', '2 d', '2 a', '2 b', '3 e', '4 f', '5 g', '6 h']],
  [['FROM a', 'RUN --mount=type=bind,source=$s,target=/$t x'], ['2 t', '2 s']],
  [['FROM a', 'COPY <<E /', '$x', 'E', "COPY <<'E' /", '$x', 'E'], ['2 x']],
  [['FROM a AS b', 'ENV A=1', 'ARG B=1', 'FROM b', 'ENV C=$A$B$D'], ['5 D']],
  [['FROM unknown AS b', 'ENV A=$x', 'FROM b', 'ENV A=$x'], []],
  [['FROM a', 'ENV A=${B:?no}', 'ENV C=$A'], ['2 B']],
])('variables that nothing defines: %j', (lines, found) => {
  expect(undefinedIn(lines)).toEqual(found);
}); // prettier-ignore

test.each<[string[], string[]]>([
  [
    ['*.log', '!keep.log', 'd'],
    ['a.log', 'd', 'd/f'],
  ],
  [
    ['**/*.o', 'e/**', '!e/x'],
    ['a.o', 'b/c.o', 'e/y'],
  ],
  [
    ['[ab].?', 'd/*/z'],
    ['a.x', 'd/q/z', 'd/q/z/deep'],
  ],
])('what .dockerignore leaves out: %j', (patterns, ignored) => {
  const others = ['keep.log', 'dd', 'e/x', 'o', 'c.x', 'd2/z'];
  expect([...ignored, ...others].filter(ignoreMatcher(patterns))).toEqual(ignored);
});
