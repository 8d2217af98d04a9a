import { Decoder } from '../../daemon/http/decode.js';
import { encodeName } from '../../daemon/http/names.js';
import type { Shape } from '../../daemon/http/plan.js';
import { decodeQuery } from '../../daemon/http/query.js';
import { parseDuration, parseTime } from '../../daemon/http/time.js';
import { parseVersion, splitVersion } from '../../daemon/http/version.js';

test.each([
  ['/v1.44/info', '1.44', '/info'],
  ['/v1/info', '1', '/info'],
  ['/v1.44', undefined, '/v1.44'],
  ['/volumes', undefined, '/volumes'],
  ['/info?x=/v1.44/', undefined, '/info?x=/v1.44/'],
])('the version of %s', (url, version, rest) => {
  expect(splitVersion(url)).toEqual({ version, rest });
});

test('versions are in range and compare by their parts', () => {
  expect(parseVersion(undefined).toString()).toBe('1.55');
  expect(parseVersion('1.30').atLeast('1.30')).toBe(true);
  expect(parseVersion('1.30').atLeast('1.31')).toBe(false);
  for (const text of ['1.56', '1.100', '2', '10.1']) expect(() => parseVersion(text)).toThrow(`${text} is too new`);
  for (const text of ['1.23', '1.5', '1', '0.9']) expect(() => parseVersion(text)).toThrow(`${text} is too old`);
});

test('a query is read by its parameters', () => {
  const query = decodeQuery('a=True&b=0&n=-3&s=&l=x&l=y&l=&other=1&f=%7B%22k%22%3A%5B%22v%22%5D%7D', [
    { name: 'a', kind: 'boolean' },
    { name: 'b', kind: 'boolean', default: true },
    { name: 'c', kind: 'boolean', default: true },
    { name: 'n', kind: 'integer' },
    { name: 'm', kind: 'integer' },
    { name: 's', kind: 'string', default: 'all' },
    { name: 'l', kind: 'array' },
    { name: 'f', kind: 'filters' },
  ]);
  expect(query).toMatchObject({ a: true, b: false, c: true, n: -3, s: 'all', l: ['x', 'y'] });
  expect(query).not.toHaveProperty('m');
  expect((query['f'] as { get(name: string): string[] }).get('k')).toEqual(['v']);
  for (const bad of ['1.5', '1e3', '0x1', '99999999999999999999'])
    expect(() => decodeQuery(`n=${bad}`, [{ name: 'n', kind: 'integer' }])).toThrow(`strconv.Atoi: parsing "${bad}"`);
});

const shape: Shape = {
  kind: 'object',
  members: {
    Name: { kind: 'string' },
    Size: { kind: 'integer', type: 'uint16', minimum: 0, maximum: 65535 },
    Cmd: { kind: 'strings' },
    Child: { kind: 'ref', name: 'Child' },
    Tags: { kind: 'map', of: { kind: 'string' } },
    Children: { kind: 'array', of: { kind: 'ref', name: 'Child' } },
  },
};
const decoder = new Decoder({ Child: { kind: 'object', members: { On: { kind: 'boolean' } } } });

test('members match in any case, and the exact name wins', () => {
  expect(decoder.decode({ NAME: 'a', child: { on: true }, nonsense: 1 }, shape)).toEqual({
    Name: 'a',
    Child: { On: true },
  });
});

test('null is absence, or the empty value in a list or map', () => {
  expect(decoder.decode({ Name: null, Tags: { a: null }, Children: [null], Cmd: null }, shape)).toEqual({
    Tags: { a: '' },
    Children: [{}],
  });
});

test('what is no Unicode is replaced, in values, lists and keys', () => {
  expect(decoder.decode(JSON.parse('{"Name":"\\ud800a","Cmd":"\\udc00","Tags":{"\\ud800":"\\ud800"}}'), shape)).toEqual(
    {
      Name: '\ufffda',
      Cmd: ['\ufffd'],
      Tags: { '\ufffd': '\ufffd' },
    },
  );
});

test.each([
  ['int64', '9223372036854775807', -(2 ** 63), 2 ** 63],
  ['int64', '-9223372036854775808', -(2 ** 63), 2 ** 63],
  ['uint64', '18446744073709551615', 0, 2 ** 64],
])('what %s can hold is never answered as more than that: %s', (type, text, minimum, maximum) => {
  const decoded = decoder.decode(JSON.parse(text), { kind: 'integer', type, minimum, maximum });
  const shown = BigInt(JSON.stringify(decoded));
  const [given, answered] = [BigInt(text), shown].map((value) => (value < 0n ? -value : value));
  expect(answered).toBeLessThanOrEqual(given ?? 0n);
  expect((given ?? 0n) - (answered ?? 0n)).toBeLessThan(4096n);
});

test('a key of a client never becomes a prototype', () => {
  const decoded = decoder.decode(JSON.parse('{"Tags":{"__proto__":"x"},"__proto__":{"Name":"y"}}'), shape);
  expect(Object.getPrototypeOf((decoded as { Tags: object }).Tags)).toBe(Object.prototype);
  expect(Object.keys((decoded as { Tags: object }).Tags)).toEqual(['__proto__']);
  expect((decoded as { Name?: string }).Name).toBeUndefined();
});

test.each([
  [{ Size: 65536 }, 'number 65536 into Go struct field .Size of type uint16'],
  [{ Size: -1 }, 'number -1 into Go struct field .Size of type uint16'],
  [{ Cmd: [1] }, 'number into Go struct field .Cmd of type string'],
  [{ Child: { On: 'x' } }, 'string into Go struct field .Child.On of type bool'],
  [{ Tags: ['x'] }, 'array into Go struct field .Tags of type map[string]string'],
  [{ Children: {} }, 'object into Go struct field .Children of type []Child'],
])('%j is a wrong type', (value, message) => {
  expect(() => decoder.decode(value, shape)).toThrow(message);
});

test.each([
  ['GET', '/images/a/b/json', '/images/a%2Fb/json'],
  ['GET', '/images/json', '/images/json'],
  ['GET', '/images/a/json', '/images/a/json'],
  ['DELETE', '/images/a/json', '/images/a%2Fjson'],
  ['GET', '/networks/a/b', '/networks/a%2Fb'],
  ['POST', '/networks/a/b/connect', '/networks/a%2Fb/connect'],
  ['GET', '/containers/a/b/json', '/containers/a/b/json'],
])('%s %s is routed as %s', (method, path, routed) => {
  expect(encodeName(method, path)).toBe(routed);
});

test.each([
  ['0', 0n],
  ['1700000000', 1_700_000_000_000_000_000n],
  ['1700000000.123456789', 1_700_000_000_123_456_789n],
  ['1700000000.5', 1_700_000_000_500_000_000n],
  ['2023-11-14T22:13:20Z', 1_700_000_000_000_000_000n],
  ['2023-11-14T22:13:20.123456789Z', 1_700_000_000_123_456_789n],
  ['2023-11-14T23:13:20+01:00', 1_700_000_000_000_000_000n],
  ['2023-11-14', 1_699_920_000_000_000_000n],
  ['2023-11-14T22:13', 1_699_999_980_000_000_000n],
])('the time %s', (text, nanoseconds) => {
  expect(parseTime(text).nanoseconds).toBe(nanoseconds);
});

test('a duration goes back from now', () => {
  const { milliseconds } = parseTime('1h30m');
  expect(Math.abs(Date.now() - 5_400_000 - milliseconds)).toBeLessThan(1000);
  expect(parseDuration('1.5s')).toBe(1_500_000_000n);
  expect(parseDuration('-2ms')).toBe(-2_000_000n);
  for (const bad of ['', '10', 'm', '1x', '1 m']) expect(parseDuration(bad)).toBeUndefined();
});

test.each(['', 'abc', '2023-13-01', '1.2.3', '12:00', '1700000000.'])('%j is not a time', (text) => {
  expect(() => parseTime(text)).toThrow('invalid time');
});
