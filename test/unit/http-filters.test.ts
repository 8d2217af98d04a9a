import { Filters } from '../../daemon/http/filters.js';

const parse = (value: unknown): Filters => Filters.parse(JSON.stringify(value));

test('both encodings mean the same', () => {
  expect(parse({ label: ['a', 'b=c'] }).get('label')).toEqual(['a', 'b=c']);
  expect(parse({ label: { a: true, 'b=c': true } }).get('label')).toEqual(['a', 'b=c']);
  for (const nothing of ['', undefined, 'null', '{}']) expect(Filters.parse(nothing).has('label')).toBe(false);
});

test.each(['x', '[]', '1', '"a"', '{"a":1}', '{"a":"b"}', '{"a":[1]}'])('%s is not a filter', (text) => {
  expect(() => Filters.parse(text)).toThrow('invalid filter');
});

test('an unknown name is refused', () => {
  expect(() => parse({ name: ['a'], colour: ['red'] }).allow('name')).toThrow("invalid filter 'colour'");
  expect(
    parse({ name: ['a'] })
      .allow('name', 'label')
      .has('name'),
  ).toBe(true);
});

test('names compare as a whole, by their beginning, or as a pattern', () => {
  const filters = parse({ name: ['web', 'd.$'] });
  expect(['web', 'web2', 'db'].map((name) => filters.exact('name', name))).toEqual([true, false, false]);
  expect(['web', 'web2', 'db'].map((name) => filters.prefix('name', name))).toEqual([true, true, false]);
  expect(['web', 'aweb2', 'db', 'dbx'].map((name) => filters.pattern('name', name))).toEqual([true, true, true, false]);
  expect(filters.exact('absent', 'x') && filters.prefix('absent', 'x') && filters.pattern('absent', 'x')).toBe(true);
  expect(() => parse({ name: ['('] }).pattern('name', 'a')).toThrow(
    "invalid filter 'name=(': not a regular expression",
  );
});

test('a pattern that backtracks without end is answered at once', () => {
  const filters = parse({ name: ['^(a+)+$'] });
  const started = performance.now();
  expect(filters.pattern('name', `${'a'.repeat(64)}b`)).toBe(false);
  expect(performance.now() - started).toBeLessThan(1000);
});

test('labels hold all together, and none of those excluded', () => {
  const labels = { a: '1', b: '', constructorless: 'x' };
  expect(parse({ label: ['a', 'b='] }).labels(labels)).toBe(true);
  expect(parse({ label: ['a=1', 'b=2'] }).labels(labels)).toBe(false);
  expect(parse({ label: ['constructor'] }).labels(labels)).toBe(false);
  expect(parse({ 'label!': ['a=2'] }).labels(labels)).toBe(true);
  expect(parse({ 'label!': ['a'] }).labels(labels)).toBe(false);
  expect(parse({ label: ['a'] }).labels(null)).toBe(false);
});

test('booleans are true or false and not both', () => {
  expect(parse({ all: ['1'] }).boolean('all', false)).toBe(true);
  expect(parse({ all: ['False'] }).boolean('all', true)).toBe(false);
  expect(parse({}).boolean('all', true)).toBe(true);
  expect(() => parse({ all: ['maybe'] }).boolean('all', true)).toThrow("invalid filter 'all=[maybe]'");
  expect(() => parse({ all: ['1', '0'] }).boolean('all', true)).toThrow("invalid filter 'all=[1 0]'");
});
