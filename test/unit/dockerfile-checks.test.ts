import { checkDockerfile } from '../../daemon/dockerfile/checks.js';
import { parseCheckOptions } from '../../daemon/dockerfile/check-options.js';
import { parseDockerfile } from '../../daemon/dockerfile/parse.js';

function check(lines: string[], built?: number[]): string[] {
  const dockerfile = parseDockerfile(lines.join('\n'));
  const stages = new Set(built ?? dockerfile.stages.keys());
  const globals = new Map([['TARGETPLATFORM', 'linux/amd64']]);
  return checkDockerfile(dockerfile, stages, globals).map(({ rule, location }) => `${location.line} ${rule}`);
}

test.each([
  [['FROM a as Foo'], ['1 StageNameCasing', '1 FromAsCasing']],
  [['from a as b', 'RUN x', 'RUN y'], ['1 ConsistentInstructionCasing']],
  [['from a', 'run x', 'Run y'], ['3 ConsistentInstructionCasing']],
  [['FROM a AS scratch', 'FROM a AS context'], ['1 ReservedStageName', '2 ReservedStageName']],
  [['FROM a AS b', 'FROM a AS b'], ['2 DuplicateStageName']],
  [['FROM a', 'MAINTAINER me'], ['2 MaintainerDeprecated']],
  [['ARG A', 'FROM $A:${B:-c}'], ['2 UndefinedArgInFrom']],
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
  expect(['JSONArgsRecommended', 'stagenamecasing', 'FromAsCasing'].map(options.skips)).toEqual([true, true, false]);
  expect(options.isError).toBe(true);
  expect(parseCheckOptions('skip=all').skips('FromAsCasing')).toBe(true);
  expect(parseCheckOptions('').isError).toBe(false);
  expect(() => parseCheckOptions('error=perhaps')).toThrow('invalid check option "error=perhaps"');
  expect(() => parseCheckOptions('foo=bar')).toThrow('failed to parse check options: invalid check option "foo=bar"');
});
