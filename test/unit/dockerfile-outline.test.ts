import { outlineOf, targetsOf } from '../../daemon/dockerfile/outline.js';
import { parseDockerfile } from '../../daemon/dockerfile/parse.js';

const dockerfile = parseDockerfile(
  [
    '# G of all',
    'ARG G=1',
    'ARG TAG=2 UNUSED=3',
    'FROM a:$TAG AS base',
    '# X in the base',
    '',
    'ARG X=$G',
    'RUN --mount=type=secret,id=s,required x',
    'RUN --mount=type=secret,id=s --mount=type=ssh x',
    'FROM b AS other',
    'ARG O',
    '# last is what is built',
    '# last of all',
    'FROM base AS last',
    'ARG G',
    'ARG X TARGETARCH',
    'ARG Y=${X:-none}-$Z',
    'RUN --mount=type=secret,id=t,target=/t x',
  ].join('\n'),
);
const needed = [0, 2].map((index) => ({
  index,
  base: index === 2 ? 0 : undefined,
  instructions: dockerfile.stages[index]!.instructions,
}));
const globals = new Map([['TARGETARCH', 'amd64'], ['G', '1'], ['TAG', '2'], ['UNUSED', '3']]); // prettier-ignore

test('what a build can be given, of the stages that it needs', () => {
  const { arguments: args, ...outline } = outlineOf(dockerfile, needed, 2, globals, () => undefined);
  expect(args.map(({ name, value, description, location }) => [location.line, name, value, description])).toEqual([
    [2, 'G', '1', 'of all'],
    [3, 'TAG', '2', ''],
    [16, 'X', undefined, ''],
    [17, 'Y', 'none-', ''],
  ]);
  expect(outline).toMatchObject({
    name: 'last',
    description: 'is what is built',
    secrets: [
      { name: 's', required: true, location: { line: 8 } },
      { name: 't', required: false, location: { line: 18 } },
    ],
    agents: [{ name: 'default', required: false, location: { line: 9 } }],
  });
});

test('what is given stands in the place of the defaults', () => {
  const { arguments: args } = outlineOf(dockerfile, needed, 2, globals, (name) => (name === 'G' ? '9' : undefined));
  expect(args.map(({ name, value, location }) => [location.line, name, value])).toContainEqual([15, 'G', '9']);
});

test('targets', () => {
  expect(targetsOf(dockerfile).map(({ location: _, ...target }) => target)).toEqual([
    { name: 'base', description: '', base: 'a:$TAG', isDefault: false },
    { name: 'other', description: '', base: 'b', isDefault: false },
    { name: 'last', description: 'is what is built', base: 'base', isDefault: true },
  ]);
});
