import { planBuild } from '../../daemon/build/plan.js';
import { parseDockerfile } from '../../daemon/dockerfile/parse.js';

interface Options {
  target?: string;
  globals?: Record<string, string>;
  contexts?: string[];
}

function plan(lines: string[], { target, globals = {}, contexts = [] }: Options = {}) {
  const request = {
    target,
    platform: undefined,
    dockerfileName: 'Dockerfile',
    namedContexts: new Map(contexts.map((name) => [name, {}])),
  };
  return planBuild(parseDockerfile(lines.join('\n')), request, new Map(Object.entries(globals)));
}

const stagesOf = (...args: Parameters<typeof plan>): number[] => plan(...args).stages.map(({ index }) => index);

const lines = [
  'FROM a AS one',
  'RUN true',
  'FROM b AS two',
  'FROM one AS three',
  'COPY --from=two /x /',
  'FROM d AS four',
  'RUN --mount=from=one,target=/m true',
];

test('only what the target needs is built, in the order of the Dockerfile', () => {
  expect(stagesOf(lines)).toEqual([0, 3]);
  expect(stagesOf(lines, { target: 'three' })).toEqual([0, 1, 2]);
  expect(stagesOf(lines, { target: 'TWO' })).toEqual([1]);
  expect(stagesOf(lines, { target: '1' })).toEqual([1]);
});

test('a target that is no stage is refused by name', () => {
  expect(() => plan(lines, { target: 'five' })).toThrow('target stage "five" could not be found');
});

test('FROM knows the stages above it, named contexts, scratch, and images otherwise', () => {
  const { stages } = plan(['FROM x AS y', 'FROM scratch', 'FROM Y', 'COPY --from=1 / /'], {});
  expect(stages.map(({ base }) => base)).toEqual([
    { kind: 'image', reference: 'x', platform: undefined },
    { kind: 'scratch' },
    { kind: 'stage', index: 0 },
  ]);
  expect(plan(['FROM x AS y', 'FROM y'], { contexts: ['y'] }).stages[0]?.base).toEqual({ kind: 'context', name: 'y' });
});

test('FROM expands the variables of the ARGs before it', () => {
  const { stages } = plan(['FROM ${A:-b}:$C'], { globals: { C: '1' } });
  expect(stages[0]?.base).toMatchObject({ reference: 'b:1' });
  expect(() => plan(['FROM $NOTHING'])).toThrow(/base name \(\$NOTHING\) should not be blank[\s\S]*Dockerfile:1/);
});

test('stages that need each other are refused with the line', () => {
  const circle = ['FROM a AS one', 'COPY --from=two / /', 'FROM b AS two', 'COPY --from=one / /'];
  expect(() => plan(circle)).toThrow(/circular dependency detected on stage: two[\s\S]*Dockerfile:3/);
});

test('--from with the index of no stage is refused', () => {
  expect(() => plan(['FROM a', 'COPY --from=7 / /'])).toThrow(/there is no stage with this index[\s\S]*Dockerfile:2/);
});
