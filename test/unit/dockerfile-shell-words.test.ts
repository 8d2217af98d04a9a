import { ShellWords } from '../../daemon/dockerfile/shell-words.js';

const variables = new Map([
  ['name', 'value'],
  ['empty', ''],
  ['two', 'one two'],
  ['path', '/usr/local/lib/libc.so.6'],
  ['1', 'first'],
]);
const words = new ShellWords('\\', variables);

describe('expansion of a word', () => {
  test.each([
    ['plain', 'plain'],
    ['$name', 'value'],
    ['${name}', 'value'],
    ['a${name}b$name', 'avaluebvalue'],
    ['$absent', ''],
    ['$', '$'],
    ['$.', '$.'],
    ['$1', 'first'],
    ['\\$name', '$name'],
    ["'$name'", '$name'],
    ['"$name"', 'value'],
    ['"\\$name \\n \\" \\\\"', '$name \\n " \\'],
    ['a\\ b', 'a b'],
    ['ends\\', 'ends'],
    ['${name:-other}', 'value'],
    ['${empty:-other}', 'other'],
    ['${empty-other}', ''],
    ['${absent-other}', 'other'],
    ['${absent:-${name}}', 'value'],
    ['${absent:-"a b"}', 'a b'],
    ['${name:+set}', 'set'],
    ['${empty:+set}', ''],
    ['${empty+set}', 'set'],
    ['${absent+set}', ''],
    ['${name:?must be given}', 'value'],
    ['${path#*/}', 'usr/local/lib/libc.so.6'],
    ['${path##*/}', 'libc.so.6'],
    ['${path%.*}', '/usr/local/lib/libc.so'],
    ['${path%%.*}', '/usr/local/lib/libc'],
    ['${path#\\*}', '/usr/local/lib/libc.so.6'],
    ['${path/lib/LIB}', '/usr/local/LIB/libc.so.6'],
    ['${path//lib/LIB}', '/usr/local/LIB/LIBc.so.6'],
    ['${path//l?b/}', '/usr/local//c.so.6'],
    ['${name/absent/x}', 'value'],
  ])('%s is %j', (text, expected) => {
    expect(words.expand(text)).toBe(expected);
  });

  test.each([
    ['"open', 'matching double-quote'],
    ["'open", 'matching single-quote'],
    ['${name', "missing '}'"],
    ['${}', 'bad substitution'],
    ['${absent:?must be given}', 'absent: must be given'],
    ['${empty:?}', 'is not allowed to be empty'],
    ['${absent?}', 'is not allowed to be unset'],
    ['${name^^}', 'unsupported modifier'],
    ['${name:-open', "missing '}'"],
  ])('%s is refused', (text, message) => {
    expect(() => words.expand(text)).toThrow(message);
  });
});

test.each<[string, string[]]>([
  ['a  b\tc', ['a', 'b', 'c']],
  ['"a b" c', ['a b', 'c']],
  ['$two', ['one', 'two']],
  ['"$two"', ['one two']],
  ['x$two', ['xone', 'two']],
  ['$two.y', ['one', 'two.y']],
  ['$absent', []],
  ['""', ['']],
  ['', []],
])('the words of %j are %j', (text, expected) => {
  expect(words.split(text)).toEqual(expected);
});

test('another escape character leaves the backslash alone', () => {
  expect(new ShellWords('`', variables).expand('C:\\dir\\$name `$name')).toBe('C:\\dir\\value $name');
});

test('a here-document keeps its quotes', () => {
  expect(words.expandContent('say "$name" \\$name it\'s\n')).toBe('say "value" $name it\'s\n');
});

test('a hostile pattern takes no time to speak of', () => {
  const long = new ShellWords('\\', new Map([['long', 'a'.repeat(2000)]]));
  expect(long.expand('${long##*a*a*a*a*a*a*b}')).toHaveLength(2000);
});
