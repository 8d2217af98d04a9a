import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadConfiguration } from '../../daemon/config/configuration.js';
import { parseFlags } from '../../daemon/config/flags.js';
import { readInvocation } from '../../daemon/config/invocation.js';

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'gantry-config-'));
  file = path.join(directory, 'daemon.json');
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function load(content: unknown, ...argv: string[]) {
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return loadConfiguration(parseFlags(['--config-file', file, ...argv]).given);
}

describe('daemon.json', () => {
  test("is read with dockerd's keys and ours", () => {
    const { config } = load({
      hosts: ['unix:///a.sock', 'tcp://127.0.0.1'],
      'data-root': '/d',
      'default-ulimits': { nofile: { Name: 'nofile', Soft: 3, Hard: 5 } },
      'default-shm-size': '1m',
      runtimes: { crun: { path: '/usr/bin/crun', runtimeArgs: ['--debug'] } },
      'default-runtime': 'crun',
      'log-opts': { 'max-size': '1k', 'max-file': '3' },
      'exec-opts': ['native.cgroupdriver=cgroupfs'],
      'cgroup-favordynmods': false,
      'nftables-table': 'mine',
      'no-new-privileges': true,
      mtu: 1400,
      'registry-mirrors': ['https://mirror.example'],
      'max-concurrent-uploads': 2,
      'no-proxy': 'own.example',
      proxies: { 'https-proxy': 'http://proxy:3128', 'no-proxy': 'other.example' },
    });
    expect(config).toMatchObject({
      hosts: ['unix:///a.sock', 'tcp://127.0.0.1'],
      dataRoot: '/d',
      defaultUlimits: { nofile: { Name: 'nofile', Soft: 3, Hard: 5 } },
      defaultShmSize: 1024 ** 2,
      runtimes: { crun: { path: '/usr/bin/crun', runtimeArgs: ['--debug'] } },
      defaultRuntime: 'crun',
      logOpts: { 'max-size': '1k', 'max-file': '3' },
      cgroupFavorDynMods: false,
      nftablesTable: 'mine',
      noNewPrivileges: true,
      mtu: 1400,
      registryMirrors: ['https://mirror.example/'],
      maxConcurrentUploads: 2,
      httpsProxy: 'http://proxy:3128/',
      noProxy: 'own.example',
    });
  });

  test.each(['', ' \n', '{}', '\uFEFF{}'])('leaves the defaults when it says nothing: %j', (content) => {
    const { config, warnings } = load(content);
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      hosts: ['unix:///var/run/gantry.sock'],
      dataRoot: '/var/lib/gantry',
      execRoot: '/run/gantry',
      pidfile: '/run/gantry.pid',
      bridge: 'gantry0',
      nftablesTable: 'gantry',
      group: 'docker',
      cgroupParent: '/gantry',
      defaultRuntime: 'gantry',
      shutdownTimeout: 15,
      liveRestore: true,
    });
  });

  test.each([
    ['{"debug":}', /invalid JSON: /],
    ['[]', 'expected an object, got array'],
    [{ debug: 'x' }, 'invalid value for "debug": expected true or false, got string'],
    [{ mtu: '1500' }, 'invalid value for "mtu": expected a number, got string'],
    [{ mtu: 1.5 }, 'expected a whole number'],
    [{ hosts: 'unix:///x' }, 'invalid value for "hosts": expected an array, got string'],
    [{ 'log-opts': { a: 1 } }, 'invalid value for "log-opts": expected a string, got number'],
    [{ 'data-root': '/a\0b' }, 'NUL'],
    [{ 'default-ulimits': { nofile: { Name: 'core', Soft: 1, Hard: 1 } } }, 'ulimit nofile: Name is "core"'],
    [{ 'default-ulimits': { nofile: { Soft: '1', Hard: 1 } } }, 'Soft and Hard must be numbers'],
    [{ runtimes: { x: { runtimeType: 'io.containerd.runc.v2' } } }, 'runtimeType is not supported'],
    [{ foo: 1, bar: 2 }, "the following directives don't match any configuration option: foo, bar"],
    [{ 'log-opt': {} }, "don't match any configuration option: log-opt (did you mean log-opts?)"],
    [{ 'ip-forward-no-drop': true }, '"ip-forward-no-drop" is not supported: '],
    [{ features: { buildkit: true } }, '"features" is not supported: '],
    [{ 'config-file': '/x' }, "don't match any configuration option: config-file"],
  ])('refuses %j', (content, message) => {
    expect(() => load(content)).toThrow(message);
    expect(() => load(content)).toThrow(`unable to configure the Gantry daemon with file ${file}: `);
  });

  test('must exist when it was asked for, and need not when it was not', () => {
    const absent = path.join(directory, 'absent.json');
    expect(() => loadConfiguration({ configFile: absent })).toThrow(/absent\.json: ENOENT/);
  });
});

describe('flags and daemon.json together', () => {
  test("refuse the same thing twice, in dockerd's words", () => {
    expect(() => load({ debug: true, hosts: ['unix:///x'] }, '--debug', '-H', 'unix:///y')).toThrow(
      'the following directives are specified both as a flag and in the configuration file: ' +
        'hosts: (from flag: [unix:///y], from file: [unix:///x]), debug: (from flag: true, from file: true)',
    );
    expect(() => load({ 'log-opts': { 'max-size': '1m' } }, '--log-opt=max-size=2m')).toThrow(
      'log-opts: (from flag: map[max-size:2m], from file: map[max-size:1m])',
    );
  });

  test('merge runtimes and limits', () => {
    const { config } = load(
      { runtimes: { a: { path: '/a' } }, 'default-ulimits': { core: { Name: 'core', Soft: 1, Hard: 1 } } },
      '--add-runtime=b=/b',
      '--default-ulimit=nofile=2',
    );
    expect(Object.keys(config.runtimes)).toEqual(['a', 'b']);
    expect(Object.keys(config.defaultUlimits)).toEqual(['core', 'nofile']);
  });

  test.each([
    [['--default-runtime=nope'], "specified default runtime 'nope' does not exist"],
    [['--label=a=1', '--label=a=2'], 'conflict labels for a=2 and a=1'],
    [['--log-opt=foo=1'], "unknown log opt 'foo' for json-file log driver"],
    [['--log-driver=none', '--log-opt=max-size=1m'], "unknown log opt 'max-size' for none log driver"],
    [['--log-opt=max-file=0'], "invalid value for log opt max-file: '0'"],
    [['--log-opt=max-file=2'], 'max-file needs max-size'],
    [['--data-root=/x', '--exec-root=/x'], 'must be different directories'],
    [['--tls', '--tlscert=/nonexistent'], 'invalid TLS configuration: ENOENT'],
  ])('are checked against each other: %j', (argv, message) => {
    expect(() => load({}, ...argv)).toThrow(message);
  });

  test('--tlsverify implies --tls', () => {
    const pem = path.join(directory, 'pem');
    writeFileSync(pem, '');
    const { config, warnings } = load(
      { tlscacert: pem, tlscert: pem, tlskey: pem },
      '--tlsverify',
      '-Htcp://0.0.0.0:2376',
    );
    expect(config.tls).toBe(true);
    expect(warnings).toEqual([]);
  });

  test('warn about a tcp socket that anyone can use', () => {
    expect(load({}, '-Htcp://0.0.0.0').warnings).toEqual([expect.stringContaining('tcp://0.0.0.0 is not protected')]);
  });

  test('name the nftables table after a bridge of another name', () => {
    expect(load({ bridge: 'br@1' }).config.nftablesTable).toBe('gantry_br_1');
  });

  test('can be validated without running', () => {
    writeFileSync(file, '{}');
    expect(readInvocation(['--validate', '--config-file', file], '')).toMatchObject({
      exitCode: 0,
      stdout: 'configuration OK\n',
    });
    writeFileSync(file, '{"x":1}');
    expect(readInvocation(['--validate', '--config-file', file], '')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("don't match any configuration option: x"),
    });
  });
});

describe('reloading', () => {
  test('takes over what can be reloaded and names what cannot', () => {
    writeFileSync(file, '{"labels":["a=1"],"mtu":1400}');
    const invocation = readInvocation(['--config-file', file, '--shutdown-timeout=3'], '');
    if (invocation.kind !== 'run') throw new Error('not a configuration to run with');
    writeFileSync(file, '{"labels":["a=2"],"mtu":1300,"debug":true}');
    const reloaded = invocation.reload(invocation.config);
    expect(reloaded.changed.sort()).toEqual(['debug', 'labels', 'log-level']);
    expect(reloaded.needRestart).toEqual(['mtu']);
    expect(reloaded.config).toMatchObject({
      labels: ['a=2'],
      debug: true,
      logLevel: 'debug',
      mtu: 1400,
      shutdownTimeout: 3,
    });
  });

  test('refuses a file that is not valid', () => {
    writeFileSync(file, '{}');
    const invocation = readInvocation(['--config-file', file, '--debug'], '');
    if (invocation.kind !== 'run') throw new Error('not a configuration to run with');
    writeFileSync(file, '{"debug":true}');
    expect(() => invocation.reload(invocation.config)).toThrow('specified both as a flag');
    writeFileSync(file, '{');
    expect(() => invocation.reload(invocation.config)).toThrow('invalid JSON');
  });
});
