import { execFileSync } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { ask, HOST, Listening, Talking, type Transport } from '../support/network-peers.js';
import { eventually } from '../support/eventually.js';
import { OtherHost } from '../support/other-host.js';
import { useEngine } from '../support/test-engine.js';

// Before the engine compares the host with what it was: a program in a container's network keeps its interface.
const listening: Listening[] = [];
afterEach(async () => {
  for (const each of listening.splice(0)) await each.stop();
});

const block = 40 + (process.pid & 63);
const engine = useEngine(['--default-address-pool', `base=10.${block}.0.0/16,size=24`]);
let outside: OtherHost;

beforeAll(() => {
  outside = new OtherHost();
});
afterAll(() => outside.remove());

const namespaceOf = async (name: string): Promise<string> =>
  `/proc/${await engine.docker.ok('inspect', '-f', '{{.State.Pid}}', name)}/ns/net`;

/** Starts a container with something that listens on its port 80. */
async function serve(name: string, transport: Transport, ...flags: string[]): Promise<void> {
  await engine.docker.ok('run', '-d', '--name', name, ...flags, 'busybox', 'sleep', '300');
  listening.push(await Listening.start(await namespaceOf(name), transport, 80));
}

async function sleeper(name: string, ...flags: string[]): Promise<string> {
  await engine.docker.ok('run', '-d', '--name', name, ...flags, 'busybox', 'sleep', '300');
  return namespaceOf(name);
}

const hostPort = async (name: string, port = '80/tcp'): Promise<number> =>
  Number((await engine.docker.ok('port', name, port)).split('\n')[0]!.split(':').at(-1));

const addressOf = (name: string, network = 'bridge', field = 'IPAddress'): Promise<string> =>
  engine.docker.ok('inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").${field}}}`, name);

/** Whoever answers at all has been reached. */
const reached = /^[0-9a-f.:]+$/;

describe.each(['tcp', 'udp'] as const)('a published %s port', (transport) => {
  test('is reached from everywhere: another host, every address of this one, other containers, the container itself', async () => {
    await serve('web', transport, '-p', `80/${transport}`);
    const port = await hostPort('web', `80/${transport}`);
    const gateway = await addressOf('web', 'bridge', 'Gateway');
    expect(await ask(outside.namespace, transport, outside.ours, port)).toBe(outside.address);
    for (const address of ['127.0.0.1', '127.1.2.3', '::1', outside.ours, outside.ours6, gateway]) {
      expect([address, await ask(HOST, transport, address, port)]).toEqual([address, expect.stringMatching(reached)]);
    }
    // A container without IPv6 is reached by IPv6 all the same.
    expect(await ask(outside.namespace, transport, outside.ours6, port)).toMatch(reached);
    const neighbour = await sleeper('neighbour');
    await engine.docker.ok('network', 'create', 'elsewhere');
    const stranger = await sleeper('stranger', '--network', 'elsewhere');
    for (const [from, namespace] of Object.entries({ neighbour, stranger, itself: await namespaceOf('web') })) {
      for (const address of [outside.ours, gateway]) {
        const answer = await ask(namespace, transport, address, port);
        expect([from, address, answer]).toEqual([from, address, expect.stringMatching(reached)]);
      }
    }
  });
});

test('with IPv6 in the network, the container sees who asks from another host', async () => {
  await engine.docker.ok('network', 'create', '--ipv6', 'dual');
  await serve('web', 'tcp', '--network', 'dual', '-p', '80');
  const port = await hostPort('web');
  expect(await ask(outside.namespace, 'tcp', outside.ours6, port)).toBe(outside.address6);
  expect(await ask(outside.namespace, 'tcp', outside.ours, port)).toBe(outside.address);
  expect(await ask(HOST, 'tcp', '::1', port)).toMatch(reached);
});

test('a port on one address is there and nowhere else', async () => {
  await serve('local', 'tcp', '-p', '127.0.0.1::80');
  const local = await hostPort('local');
  expect(await ask(HOST, 'tcp', '127.0.0.1', local)).toMatch(reached);
  expect(await ask(outside.namespace, 'tcp', outside.ours, local)).toBe('ECONNREFUSED');
  await serve('one', 'tcp', '-p', `${outside.ours}::80`);
  const one = await hostPort('one');
  expect(await ask(outside.namespace, 'tcp', outside.ours, one)).toBe(outside.address);
  expect(await ask(HOST, 'tcp', '127.0.0.1', one)).toBe('ECONNREFUSED');
});

test('what is not published is not reached from outside, also by who knows the way', async () => {
  await serve('web', 'tcp', '-p', '80');
  listening.push(await Listening.start(await namespaceOf('web'), 'tcp', 81));
  const address = await addressOf('web');
  outside.ip('route', 'add', address, 'via', outside.ours);
  try {
    expect(await ask(HOST, 'tcp', address, 81)).toMatch(reached);
    expect(await ask(outside.namespace, 'tcp', address, 81)).toBe('timeout');
    expect(await ask(outside.namespace, 'tcp', address, 80)).toBe('timeout');
  } finally {
    outside.ip('route', 'delete', address);
  }
});

test('a routed network opens published ports at the container, and takes none of the host', async () => {
  await engine.docker.ok('network', 'create', '-o', 'com.docker.network.bridge.gateway_mode_ipv4=routed', 'routed');
  await serve('web', 'tcp', '--network', 'routed', '-p', '80');
  listening.push(await Listening.start(await namespaceOf('web'), 'tcp', 81));
  const address = await addressOf('web', 'routed');
  outside.ip('route', 'add', address, 'via', outside.ours);
  try {
    expect(await ask(outside.namespace, 'tcp', address, 80)).toBe(outside.address);
    expect(await ask(outside.namespace, 'tcp', address, 81)).toBe('timeout');
  } finally {
    outside.ip('route', 'delete', address);
  }
});

test('a network that is routed in one family takes ports of the host in the other only', async () => {
  const options = ['-o', 'com.docker.network.bridge.gateway_mode_ipv6=routed', '--ipv6'];
  await engine.docker.ok('network', 'create', ...options, 'half');
  await engine.docker.ok('run', '-d', '--name', 'web', '--network', 'half', '-p', '80', 'busybox', 'sleep', '300');
  expect(await engine.docker.ok('port', 'web')).toMatch(/^80\/tcp -> 0\.0\.0\.0:\d+$/);
});

describe('a port that is taken', () => {
  let server: Server;
  let port: number;
  beforeEach(async () => {
    server = createServer().listen(0, '0.0.0.0');
    await once(server, 'listening');
    port = (server.address() as { port: number }).port;
  });
  afterEach(() => void server.close());

  test('is an error at start, by whomever it is taken, and the next of a range is used', async () => {
    const allocated = `Bind for 0.0.0.0:${port} failed: port is already allocated`;
    await engine.docker.ok('create', '--name', 'one', '-p', `${port}:80`, 'busybox', 'sleep', '300');
    expect(await engine.docker.fails('start', 'one')).toContain(allocated);
    expect(await engine.docker.ok('inspect', '-f', '{{.State.Status}}', 'one')).toBe('created');
    server.close();
    await engine.docker.ok('start', 'one');
    await engine.docker.ok('create', '--name', 'two', '-p', `${port}:80`, 'busybox', 'sleep', '300');
    expect(await engine.docker.fails('start', 'two')).toContain(allocated);
    await engine.docker.ok('run', '-d', '--name', 'three', '-p', `${port}-${port + 20}:80`, 'busybox', 'sleep', '300');
    expect(await hostPort('three')).toBeGreaterThan(port);
    await engine.docker.ok('rm', '-f', 'one');
    await engine.docker.ok('start', 'two');
  });
});

test('ps, port and inspect show ports as Docker does', async () => {
  const flags = ['-p', '80', '-p', '127.0.0.1:0:53/udp', '--expose', '443', '-P', '-p', '7000-7001:90-91/sctp'];
  await sleeper('web', ...flags);
  const ports = JSON.parse(await engine.docker.ok('inspect', '-f', '{{json .NetworkSettings.Ports}}', 'web')) as Record<
    string,
    { HostIp: string; HostPort: string }[] | null
  >;
  expect(Object.keys(ports).sort()).toEqual(['443/tcp', '53/udp', '80/tcp', '90/sctp', '91/sctp']);
  expect(ports['80/tcp']).toEqual([
    { HostIp: '0.0.0.0', HostPort: expect.stringMatching(/^\d+$/) as string },
    { HostIp: '::', HostPort: ports['80/tcp']![0]!.HostPort },
  ]);
  expect(ports['53/udp']).toHaveLength(1);
  const shown = await engine.docker.ok('ps', '--format', '{{.Ports}}', '--filter', 'name=web');
  expect(shown).toContain(`0.0.0.0:${ports['80/tcp']![0]!.HostPort}->80/tcp`);
  expect(shown).toContain('0.0.0.0:7001->91/sctp');
  await engine.docker.ok('stop', '-t', '0', 'web');
  expect(await engine.docker.ok('inspect', '-f', '{{json .NetworkSettings.Ports}}', 'web')).toBe('{}');
});

test('SCTP is translated: its elements are in the table while the container runs', async () => {
  const table = (): string =>
    execFileSync('nft', ['list', 'map', 'inet', `gantry_${engine.daemon!.bridge}`, 'anywhere4'], { encoding: 'utf8' });
  await sleeper('web', '-p', '7000:90/sctp');
  expect(table()).toContain(`sctp . 7000 : ${await addressOf('web')} . 90`);
  expect(await engine.docker.fails('run', '--rm', '-p', '7000:90/sctp', 'busybox', 'true')).toContain(
    'already allocated',
  );
  await engine.docker.ok('rm', '-f', 'web');
  // Nobody waits for that.
  await eventually(table, (text) => !text.includes('sctp'));
});

test('ports are held and served while the daemon is dead, and after it has come back', async () => {
  await serve('web', 'tcp', '-p', '80');
  const port = await hostPort('web');
  const everywhere = async (): Promise<string[]> => [
    await ask(outside.namespace, 'tcp', outside.ours, port),
    await ask(HOST, 'tcp', '127.0.0.1', port),
    await ask(HOST, 'tcp', '::1', port),
  ];
  const all = [outside.address, expect.stringMatching(reached), expect.stringMatching(reached)];
  await engine.daemon!.kill();
  expect(await everywhere()).toEqual(all);
  const intruder = createServer().listen(port, '0.0.0.0');
  const [error] = (await once(intruder, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('EADDRINUSE');
  await engine.daemon!.start();
  expect(await everywhere()).toEqual(all);
  expect(await engine.docker.fails('run', '--rm', '-p', `${port}:80`, 'busybox', 'true')).toContain(
    'already allocated',
  );
  await engine.docker.ok('rm', '-f', 'web');
  expect(await ask(HOST, 'tcp', '127.0.0.1', port)).toBe('ECONNREFUSED');
  expect(await ask(outside.namespace, 'tcp', outside.ours, port)).toBe('ECONNREFUSED');
});

test('who goes on sending datagrams reaches the container that has the port now', async () => {
  await engine.docker.ok('network', 'create', 'net');
  await serve('old', 'udp', '--network', 'net', '-p', '5353:80/udp');
  const talking = new Talking(outside.namespace, outside.ours, 5353);
  try {
    await talking.answered();
    const address = await addressOf('old', 'net');
    for (const each of listening.splice(0)) await each.stop();
    await engine.docker.ok('rm', '-f', 'old');
    await sleeper('other', '--network', 'net');
    expect(await addressOf('other', 'net')).toBe(address);
    await serve('new', 'udp', '--network', 'net', '-p', '5353:80/udp');
    await talking.answered();
  } finally {
    talking.stop();
  }
});

test('ports follow the default route when networks change', async () => {
  await engine.docker.ok('network', 'create', 'first');
  await engine.docker.ok('network', 'create', 'second');
  await serve('web', 'tcp', '--network', 'first', '-p', '80');
  const port = await hostPort('web');
  const answers = async (): Promise<void> => {
    expect(await ask(outside.namespace, 'tcp', outside.ours, port)).toBe(outside.address);
    expect(await ask(HOST, 'tcp', '127.0.0.1', port)).toMatch(reached);
  };
  await answers();
  await engine.docker.ok('network', 'connect', 'second', 'web');
  await answers();
  await engine.docker.ok('network', 'disconnect', 'first', 'web');
  await answers();
});

test('a chain before ours can refuse by the port of the host', async () => {
  await serve('web', 'tcp', '-p', '80');
  const port = await hostPort('web');
  const table = `user${process.pid}`;
  nft(`table inet ${table} { chain early { type filter hook prerouting priority -150; tcp dport ${port} drop;\n}\n}`);
  try {
    expect(await ask(outside.namespace, 'tcp', outside.ours, port)).toBe('timeout');
  } finally {
    nft(`delete table inet ${table}`);
  }
  expect(await ask(outside.namespace, 'tcp', outside.ours, port)).toBe(outside.address);
});

function nft(script: string): void {
  execFileSync('nft', ['-f', '-'], { input: script });
}
