import { markdownTable } from '../../daemon/config/help.js';
import { parseListenAddress } from '../../daemon/config/listen-address.js';
import { everyOption } from '../../daemon/config/options.js';
import { nearest } from '../../daemon/suggestion.js';

describe('an address to listen on', () => {
  test.each([
    ['unix:///a/b.sock', false, { kind: 'unix', path: '/a/b.sock' }],
    ['unix://', false, { kind: 'unix', path: '/var/run/gantry.sock' }],
    ['tcp://', false, { kind: 'tcp', host: 'localhost', port: 2375 }],
    ['tcp://0.0.0.0', true, { kind: 'tcp', host: '0.0.0.0', port: 2376 }],
    ['tcp://:4243', false, { kind: 'tcp', host: 'localhost', port: 4243 }],
    ['tcp://[::1]:1', false, { kind: 'tcp', host: '::1', port: 1 }],
    ['127.0.0.1:80', false, { kind: 'tcp', host: '127.0.0.1', port: 80 }],
    ['fd://', false, { kind: 'fd', name: '' }],
    ['fd://gantry.socket', false, { kind: 'fd', name: 'gantry.socket' }],
  ])('%s (TLS %s)', (given, tls, address) => {
    expect(parseListenAddress(given, tls)).toEqual(address);
  });

  test.each(['tcp://a:b', 'tcp://a b', 'tcp://user@host:1', 'tcp://host/path', 'npipe://x'])(
    '%s is refused',
    (given) => {
      expect(() => parseListenAddress(given)).toThrow(`invalid bind address (${given})`);
    },
  );
});

describe('the table of options', () => {
  test('has each flag, letter and key once', () => {
    for (const field of ['flag', 'short', 'key'] as const) {
      const names = everyOption.map(([, option]) => option[field]).filter((name) => name !== undefined);
      expect(new Set(names).size).toBe(names.length);
    }
  });

  test('has defaults that its own rules accept from the file', () => {
    for (const [name, option] of everyOption) {
      if (name === 'storageDriver' || option.key === undefined) continue;
      expect(option.kind.fromFile(option.default)).toEqual(option.default);
    }
  });

  test('is a table in the README', () => {
    expect(markdownTable()).toContain('| `--debug`, `-D` | `debug` |  | yes | Log at level debug |');
  });
});

test('a name that is nearly right is recognised, others are not', () => {
  const known = ['data-root', 'debug', 'dns', 'bridge'];
  expect(nearest('dbeug', known)).toBe('debug');
  expect(nearest('brdige', known)).toBe('bridge');
  expect(nearest('dns-server', known)).toBeUndefined();
  expect(nearest('', known)).toBeUndefined();
});
