import { execFileSync } from 'node:child_process';
import { ask, HOST, Listening } from '../support/network-peers.js';
import { OtherHost } from '../support/other-host.js';
import { useEngine } from '../support/test-engine.js';

/** Each option of a network, an endpoint or the daemon by what it does to packets and interfaces. */
const listening: Listening[] = [];
afterEach(async () => {
  for (const each of listening.splice(0)) await each.stop();
});

const block = 120 + (process.pid & 63);
const gateway = '192.0.2.9';
const engine = useEngine([
  ...['--default-address-pool', `base=10.${block}.0.0/17,size=24`],
  ...['--default-network-opt', 'bridge=com.docker.network.driver.mtu=1420'],
  ...[
    '--bip',
    `10.${block}.200.9/24`,
    '--fixed-cidr',
    `10.${block}.200.128/25`,
    '--default-gateway',
    `10.${block}.200.1`,
  ],
  ...['--host-gateway-ip', gateway, '--ip', '127.0.0.1', '--icc=false', '--userland-proxy=false'],
  '--allow-direct-routing',
]);
let outside: OtherHost;
beforeAll(() => {
  outside = new OtherHost();
  outside.ip('route', 'add', `10.${block}.0.0/16`, 'via', outside.ours);
});
afterAll(() => outside.remove());

const bridgeOption = (name: string, value: string): string[] => ['-o', `com.docker.network.bridge.${name}=${value}`];

/** A network, and a container of the same name on it. */
async function create(name: string, options: string[], ...flags: string[]): Promise<void> {
  await engine.docker.ok('network', 'create', ...options, name);
  await start(name, '--network', name, ...flags);
}
const start = (name: string, ...flags: string[]): Promise<string> =>
  engine.docker.ok('run', '-d', '--name', name, ...flags, 'busybox', 'sleep', '300');
const exec = (name: string, ...command: string[]): Promise<string> => engine.docker.ok('exec', name, ...command);
const namespaceOf = async (name: string): Promise<string> =>
  `/proc/${await engine.docker.ok('inspect', '-f', '{{.State.Pid}}', name)}/ns/net`;
const addressOf = (name: string, network = name): Promise<string> =>
  engine.docker.ok('inspect', '-f', `{{.NetworkSettings.Networks.${network}.IPAddress}}`, name);
const listen = async (namespace: string, port: number): Promise<unknown> =>
  listening.push(await Listening.start(namespace, 'tcp', port));
const onHost = (...words: string[]): string => execFileSync('ip', words, { encoding: 'utf8' });

/** As whom the outside sees a container that comes to it. */
async function seenAs(name: string, address = outside.address): Promise<string> {
  await listen(outside.namespace, 7001);
  const seen = await ask(await namespaceOf(name), 'tcp', address, 7001);
  await listening.pop()!.stop();
  return seen;
}

describe('what leaves', () => {
  test('has the address of the host, or that of the container without masquerading', async () => {
    await create('hidden', []);
    await create('shown', bridgeOption('enable_ip_masquerade', 'false'));
    expect(await seenAs('hidden')).toBe(outside.ours);
    expect(await seenAs('shown')).toBe(await addressOf('shown'));
  });

  test('has the address that host_ipv4 and host_ipv6 name', async () => {
    const [four, six] = ['198.51.100.7', 'fd77:5::7'];
    onHost('address', 'add', `${four}/32`, 'dev', outside.link);
    onHost('address', 'add', `${six}/128`, 'dev', outside.link, 'nodad');
    outside.ip('route', 'add', four, 'via', outside.ours);
    outside.ip('route', 'add', six, 'via', outside.ours6);
    const names = ['-o', `com.docker.network.host_ipv4=${four}`, '-o', `com.docker.network.host_ipv6=${six}`];
    await create('net', ['--ipv6', ...names]);
    expect(await seenAs('net')).toBe(four);
    expect(await seenAs('net', outside.address6)).toBe(six);
  });
});

describe('what comes from outside to the address of a container', () => {
  test('is let in to ports that are published where direct routing is allowed, and to no other', async () => {
    await create('net', [], '-p', '80');
    for (const port of [80, 81]) await listen(await namespaceOf('net'), port);
    const address = await addressOf('net');
    expect(await ask(outside.namespace, 'tcp', address, 80)).toBe(outside.address);
    expect(await ask(outside.namespace, 'tcp', address, 81)).toBe('timeout');
  });

  test.each([
    ['nat-unprotected', bridgeOption('gateway_mode_ipv4', 'nat-unprotected')],
    ['trusted_host_interfaces', []],
  ])('%s lets everything in', async (_, options) => {
    const trusted = options.length > 0 ? options : bridgeOption('trusted_host_interfaces', `lo:${outside.link}`);
    await create('net', trusted);
    await listen(await namespaceOf('net'), 81);
    expect(await ask(outside.namespace, 'tcp', await addressOf('net'), 81)).toBe(outside.address);
    // But not from other networks.
    await create('other', []);
    expect(await ask(await namespaceOf('other'), 'tcp', await addressOf('net'), 81)).toBe('timeout');
  });
});

test('host_binding_ipv4 publishes on one address, in place of that of the daemon', async () => {
  await create('net', bridgeOption('host_binding_ipv4', outside.ours), '-p', '80');
  await listen(await namespaceOf('net'), 80);
  const [address = '', port] = (await engine.docker.ok('port', 'net', '80/tcp')).split(':');
  expect(address).toBe(outside.ours);
  expect(await ask(outside.namespace, 'tcp', address, Number(port))).toBe(outside.address);
  // No process stands in for it, so the loopback stays closed.
  expect(await ask(HOST, 'tcp', '127.0.0.1', Number(port))).toBe('ECONNREFUSED');
});

test('inhibit_ipv4 leaves the bridge without an address; containers have theirs', async () => {
  const bridge = `uo${process.pid}`;
  await create('net', [...bridgeOption('inhibit_ipv4', 'true'), ...bridgeOption('name', bridge)]);
  expect(onHost('-4', '-o', 'address', 'show', 'dev', bridge)).toBe('');
  expect(await exec('net', 'ip', '-4', '-o', 'address', 'show', 'eth0')).toContain(await addressOf('net'));
});

test('interfaces are called and set up as asked', async () => {
  await create('net', ['-o', 'com.docker.network.container_iface_prefix=lan']);
  expect(await exec('net', 'cat', '/sys/class/net/lan0/mtu')).toBe('1420');
  await engine.docker.ok('network', 'create', '-o', 'com.docker.network.driver.mtu=1300', 'more');
  const sysctls = 'net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.neigh.IFNAME.retrans_time_ms=800';
  await engine.docker.ok('rm', '--force', 'net');
  // The client takes a comma for the end of an option, unless it is in quotes.
  const quoted = `name=more,"driver-opt=com.docker.network.endpoint.sysctls=${sysctls}"`;
  await start('net', '--network', 'net', '--network', quoted);
  const value = (name: string): Promise<string> => exec('net', 'cat', `/proc/sys/net/ipv4/${name}`);
  expect(await exec('net', 'cat', '/sys/class/net/eth0/mtu')).toBe('1300');
  expect(await value('conf/eth0/log_martians')).toBe('1');
  expect(await value('neigh/eth0/retrans_time_ms')).toBe('800');
  expect(await value('conf/lan0/log_martians')).toBe('0');
  for (const [wrong, message] of [
    [
      'com.docker.network.endpoint.sysctls=net.ipv4.ip_forward=1',
      "unrecognised network interface sysctl 'net.ipv4.ip_forward=1'",
    ],
    ['com.docker.network.endpoint.nosuch=1', 'endpoint option "com.docker.network.endpoint.nosuch" is not supported'],
  ] as const) {
    const network = ['--network', `name=more,"driver-opt=${wrong}"`];
    expect(await engine.docker.fails('run', '--rm', ...network, 'busybox', 'true')).toContain(message);
  }
});

test('the default network is as the daemon was told', async () => {
  await start('one', '-p', '80', '--add-host', 'outer:host-gateway');
  await start('two');
  const address = await addressOf('one', 'bridge');
  expect(address).toBe(`10.${block}.200.128`);
  expect(await exec('one', 'ip', 'route')).toContain(`default via 10.${block}.200.1 `);
  expect(onHost('-4', '-o', 'address', 'show', 'dev', engine.daemon!.bridge)).toContain(`10.${block}.200.9/24`);
  expect(await exec('one', 'cat', '/etc/hosts')).toMatch(new RegExp(`^${gateway}\\s+outer$`, 'm'));
  expect(await engine.docker.ok('port', 'one', '80/tcp')).toMatch(/^127\.0\.0\.1:\d+$/);
  const ping = await engine.docker.run(['exec', 'two', 'ping', '-c', '1', '-W', '1', address]);
  expect(ping.code).not.toBe(0);
  expect(await engine.docker.fails('run', '--rm', '--link', 'one:x', 'busybox', 'true')).toContain(
    'HostConfig.Links is not supported where "icc" is false',
  );
});
