import { parseChallenges } from '../../daemon/images/registry/challenge.js';
import { retryAfter } from '../../daemon/images/registry/session.js';

test.each<[string | string[], object[]]>([
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
    [
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.docker.io/token',
          service: 'registry.docker.io',
          scope: 'repository:a/b:pull,push',
        },
      },
    ],
  ],
  [
    'Basic realm="a \\"quoted\\" realm, with a comma"',
    [{ scheme: 'basic', parameters: { realm: 'a "quoted" realm, with a comma' } }],
  ],
  [
    'Basic realm=plain , Bearer realm = "x",error=invalid_token',
    [
      { scheme: 'basic', parameters: { realm: 'plain' } },
      { scheme: 'bearer', parameters: { realm: 'x', error: 'invalid_token' } },
    ],
  ],
  [
    ['Negotiate', 'BASIC Realm="b"'],
    [
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'basic', parameters: { realm: 'b' } },
    ],
  ],
  ['realm="nothing to belong to"', []],
  [',,, ', []],
  ['Bearer realm="never closed', [{ scheme: 'bearer', parameters: { realm: '' } }]],
])('the challenge %j', (header, expected) => {
  expect(parseChallenges(header)).toEqual(expected);
});

test('without a header there is no challenge', () => {
  expect(parseChallenges(undefined)).toEqual([]);
});

test('a long header of a stranger is read in no time', () => {
  const started = performance.now();
  parseChallenges(`Bearer ${'a="\\"'.repeat(20_000)}`);
  expect(performance.now() - started).toBeLessThan(1000);
});

test('Retry-After is a number of seconds or a date', () => {
  expect(retryAfter('3')).toBe(3000);
  expect(retryAfter(new Date(Date.now() + 60_000).toUTCString())).toBeGreaterThan(57_000);
  expect(retryAfter('Wed, 21 Oct 2015 07:28:00 GMT')).toBe(0);
  expect(retryAfter('soon')).toBeUndefined();
  expect(retryAfter(undefined)).toBeUndefined();
});
