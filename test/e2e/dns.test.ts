import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { useEngine } from '../support/test-engine.js';

const block = 104 + (process.pid & 15);
const engine = useEngine(['--default-address-pool', `base=10.${block}.0.0/16,size=24`]);
const bridgeAddress = (): string => engine.daemon!.bridgeAddress;

async function sleeper(name: string, ...flags: string[]): Promise<string> {
  await engine.docker.ok('run', '-d', '--name', name, ...flags, 'busybox', 'sleep', '300');
  return engine.docker.ok('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}', name);
}
const exec = (name: string, ...command: string[]): Promise<string> => engine.docker.ok('exec', name, ...command);
const create = (name: string, ...flags: string[]): Promise<string> =>
  engine.docker.ok('network', 'create', ...flags, name);

/** The addresses that a container's own server has for a name, sorted; none for a name that is not there. */
async function lookUp(container: string, name: string, type = 'a'): Promise<string[]> {
  const { stdout } = await engine.docker.run([
    'exec',
    container,
    'nslookup',
    `-type=${type}`,
    `${name}.`,
    '127.0.0.11',
  ]);
  return [...stdout.matchAll(/^Address: (\S+)$/gm)].map(([, address]) => address!).sort();
}

describe('on a user-defined network', () => {
  test('containers find each other by name, alias, short id and host name, in both directions', async () => {
    await create('net', '--ipv6');
    await sleeper('asking', '--network', 'net');
    // Started later than the one who asks.
    await sleeper('web', '--network', 'net', '--network-alias', 'site', '--hostname', 'front');
    const [{ Id, NetworkSettings }] = JSON.parse(await engine.docker.ok('inspect', 'web')) as [
      { Id: string; NetworkSettings: { Networks: { net: { IPAddress: string; GlobalIPv6Address: string } } } },
    ];
    const { IPAddress, GlobalIPv6Address } = NetworkSettings.Networks.net;
    for (const name of ['web', 'WEB', 'site', 'front', Id.slice(0, 12), 'web.net']) {
      expect([name, await lookUp('asking', name)]).toEqual([name, [IPAddress]]);
      expect([name, await lookUp('asking', name, 'aaaa')]).toEqual([name, [GlobalIPv6Address]]);
    }
    expect(await exec('asking', 'nslookup', IPAddress, '127.0.0.11')).toMatch(/name = web\.net/);
    await exec('asking', 'ping', '-c', '1', '-W', '2', 'site');

    await engine.docker.ok('rename', 'web', 'shop');
    expect(await lookUp('asking', 'shop')).toEqual([IPAddress]);
    expect(await lookUp('asking', 'web')).toEqual([]);
    await engine.docker.ok('stop', '--time', '0', 'shop');
    expect(await lookUp('asking', 'shop')).toEqual([]);
  });

  test('an alias of several containers leads to all of them, each first in turn', async () => {
    await create('net');
    await sleeper('asking', '--network', 'net');
    for (const name of ['one', 'two', 'three']) await sleeper(name, '--network', 'net', '--network-alias', 'all');
    expect(await lookUp('asking', 'all')).toHaveLength(3);
    const first = new Set<string>();
    for (let i = 0; i < 60 && first.size < 3; i++) {
      const [, address = ''] = /^Address: (\S+)$/m.exec(await exec('asking', 'nslookup', 'all.', '127.0.0.11')) ?? [];
      first.add(address);
    }
    expect(first.size).toBe(3);
  });

  test('names of other networks are not there, and those of a network that is left are gone', async () => {
    await create('one');
    await create('two');
    await sleeper('web', '--network', 'one');
    await sleeper('asking', '--network', 'two');
    expect(await lookUp('asking', 'web')).toEqual([]);
    await engine.docker.ok('network', 'connect', 'one', 'asking');
    expect(await lookUp('asking', 'web')).toHaveLength(1);
    await engine.docker.ok('network', 'disconnect', 'one', 'asking');
    expect(await lookUp('asking', 'web')).toEqual([]);
  });

  test('a link is a name that only one container has', async () => {
    await create('net');
    const address = await sleeper('web', '--network', 'net');
    await sleeper('asking', '--network', 'net', '--link', 'web:shop');
    await sleeper('other', '--network', 'net');
    expect(await lookUp('asking', 'shop')).toEqual([address.trim()]);
    expect(await lookUp('other', 'shop')).toEqual([]);
  });
});

test('a running container that joins its first user-defined network gets a server, and its files tell of it', async () => {
  await create('net');
  await sleeper('box');
  expect(await exec('box', 'cat', '/etc/resolv.conf')).not.toContain('127.0.0.11');
  await engine.docker.ok('network', 'connect', 'net', 'box');
  expect(await exec('box', 'cat', '/etc/resolv.conf')).toMatch(/^nameserver 127\.0\.0\.11$/m);
  expect(await lookUp('box', 'box')).toHaveLength(1);
  const hosts = async (): Promise<string[]> =>
    [...(await exec('box', 'cat', '/etc/hosts')).matchAll(/^(\d\S+)\t[0-9a-f]{12}$/gm)].map(([, address]) => address!);
  expect(await hosts()).toHaveLength(2);
  const [bridge] = await hosts();
  await engine.docker.ok('network', 'disconnect', 'net', 'box');
  expect(await hosts()).toEqual([bridge]);
  expect(await exec('box', 'cat', '/etc/resolv.conf')).not.toContain('127.0.0.11');
});

describe('other names', () => {
  let server: Socket;
  const asked: string[] = [];

  /** Answers every question with 192.0.2.7, one about nothing.test with NXDOMAIN. */
  beforeAll(async () => {
    server = createSocket('udp4');
    server.on('message', (query, { address, port }) => {
      const name = questionName(query);
      asked.push(name);
      server.send(answerTo(query, name === 'nothing.test' ? undefined : [192, 0, 2, 7]), port, address);
    });
    server.bind(53, bridgeAddress());
    await once(server, 'listening');
  });
  afterAll(() => server.close());

  test('are asked of the servers that the container was given', async () => {
    await create('net');
    const flags = ['--dns', bridgeAddress(), '--dns-search', 'example.test', '--dns-option', 'timeout:1'];
    await sleeper('box', '--network', 'net', ...flags);
    expect(await lookUp('box', 'outside.test')).toEqual(['192.0.2.7']);
    expect(await lookUp('box', 'nothing.test')).toEqual([]);
    expect(asked).toEqual(expect.arrayContaining(['outside.test', 'nothing.test']));
    const file = await exec('box', 'cat', '/etc/resolv.conf');
    expect(file).toMatch(/^nameserver 127\.0\.0\.11\nsearch example\.test\noptions timeout:1 ndots:0$/m);
    expect(file).toContain(`# ExtServers: [${bridgeAddress()}]`);
  });

  test('are asked directly on the default bridge', async () => {
    await sleeper('box', '--dns', bridgeAddress());
    expect(await exec('box', 'cat', '/etc/resolv.conf')).toMatch(`nameserver ${bridgeAddress()}`);
    expect(await exec('box', 'nslookup', 'outside.test.')).toContain('192.0.2.7');
  });

  test('are asked of nobody from an internal network', async () => {
    await create('inner', '--internal');
    await sleeper('box', '--network', 'inner', '--dns', bridgeAddress());
    expect(await lookUp('box', 'secret.test')).toEqual([]);
    expect(asked).not.toContain('secret.test');
  });

  const questionName = (query: Buffer): string => {
    const labels: string[] = [];
    for (let at = 12; query[at]! > 0; at += query[at]! + 1) {
      labels.push(query.subarray(at + 1, at + 1 + query[at]!).toString());
    }
    return labels.join('.');
  };

  const answerTo = (query: Buffer, address?: number[]): Buffer => {
    const question = query.subarray(12, query.indexOf(0, 12) + 5);
    const header = Buffer.from([
      query[0]!,
      query[1]!,
      0x81,
      address ? 0x80 : 0x83,
      0,
      1,
      0,
      address ? 1 : 0,
      0,
      0,
      0,
      0,
    ]);
    const answer = address ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...address]) : Buffer.alloc(0);
    return Buffer.concat([header, question, answer]);
  };
});

describe('links on the default bridge', () => {
  test('give a name, variables, and a further name in lists; they follow a restart and a rename', async () => {
    await sleeper('db', '--env', 'USER=me', '--expose', '5432', '--expose', '5433', '--hostname', 'store');
    await sleeper('app', '--link', 'db:data-base');
    const address = await engine.docker.ok('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', 'db');
    expect(await exec('app', 'cat', '/etc/hosts')).toContain(`${address}\tdata-base store db`);
    expect((await exec('app', 'env')).split('\n')).toEqual(
      expect.arrayContaining([
        'DATA_BASE_NAME=/app/data-base',
        'DATA_BASE_ENV_USER=me',
        `DATA_BASE_PORT=tcp://${address}:5432`,
        `DATA_BASE_PORT_5432_TCP_ADDR=${address}`,
        'DATA_BASE_PORT_5432_TCP_PORT_END=5433',
      ]),
    );
    await engine.docker.ok('rename', 'db', 'stock');
    const links = (): Promise<string> => engine.docker.ok('inspect', '-f', '{{json .HostConfig.Links}}', 'app');
    expect(await links()).toBe('["/stock:/app/data-base"]');
    const names = (await engine.docker.ok('ps', '--no-trunc', '--format', '{{.Names}}')).split('\n');
    expect(names.sort()).toEqual(['app', 'app/data-base,stock']);

    await engine.docker.ok('stop', '--time', '0', 'stock');
    await sleeper('taker');
    await engine.docker.ok('start', 'stock');
    const moved = await engine.docker.ok('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', 'stock');
    expect(moved).not.toBe(address);
    const hosts = await exec('app', 'cat', '/etc/hosts');
    expect(hosts).toContain(`${moved}\tdata-base store stock`);
    expect(hosts).not.toMatch(new RegExp(`^${address}\tdata-base`, 'm'));
    await engine.docker.ok('rm', '--force', 'stock');
    expect(await links()).toBe('null');
  });

  test('rm --link takes one away, and leaves the containers', async () => {
    await sleeper('db');
    await sleeper('app', '--link', 'db:one', '--link', 'db:two');
    expect(await engine.docker.ok('rm', '--link', '/app/one')).toBe('/app/one');
    expect(await engine.docker.ok('inspect', '-f', '{{json .HostConfig.Links}}', 'app')).toBe('["/db:/app/two"]');
    expect(await exec('app', 'cat', '/etc/hosts')).not.toMatch(/\sone\s/);
    expect(await exec('app', 'cat', '/etc/hosts')).toMatch(/\stwo\s/);
    for (const [name, message] of [
      ['app/one', 'No such container: app/one'],
      ['nosuch/one', 'No such container: nosuch'],
      ['db', 'Conflict, cannot remove the default link name of the container'],
    ] as const) {
      expect(await engine.docker.fails('rm', '--link', name)).toContain(message);
    }
    const names = await engine.docker.ok('ps', '--no-trunc', '--format', '{{.Names}}');
    expect(names.split('\n').sort()).toEqual(['app', 'app/two,db']);
  });

  test.each([
    ['nosuch:x', 'could not get container for nosuch: No such container: nosuch'],
    ['db:a:b', 'bad format for links: db:a:b'],
    ['ended:x', 'Cannot link to a non running container: /ended AS /app/x'],
    ['elsewhere:x', 'not attached to default bridge network'],
  ])('%s is refused', async (link, message) => {
    await create('net');
    await sleeper('elsewhere', '--network', 'net');
    await engine.docker.ok('run', '--name', 'ended', 'busybox', 'true');
    expect(await engine.docker.fails('run', '--name', 'app', '--link', link, 'busybox', 'true')).toContain(message);
  });
});

test.each(['host', 'container:web'])('links are refused in the network %s', async (mode) => {
  await sleeper('web');
  expect(await engine.docker.fails('run', '--network', mode, '--link', 'web:x', 'busybox', 'true')).toContain(
    `conflicting options: ${mode.split(':')[0]} type network`,
  );
});

test.each([
  [['--hostname', 'box.example.test'], 'box.example.test box'],
  [['--hostname', 'box.one', '--domainname', 'two'], 'box.one.two box'],
])('a container named %j finds itself as %s', async (flags, names) => {
  expect(await engine.docker.ok('run', '--rm', ...flags, 'busybox', 'tail', '-n', '1', '/etc/hosts')).toMatch(
    new RegExp(`^[0-9.]+\t${names}$`),
  );
});

test('hosts, resolv.conf and hostname are written as Docker writes them', async () => {
  await create('net');
  const flags = ['--hostname', 'box', '--domainname', 'example.test', '--add-host', 'gate:host-gateway'];
  await sleeper('box', '--network', 'net', ...flags, '--add-host', 'six:2001:db8::1');
  const address = await engine.docker.ok('inspect', '-f', '{{.NetworkSettings.Networks.net.IPAddress}}', 'box');
  expect(await exec('box', 'cat', '/etc/hosts')).toBe(
    [
      '127.0.0.1\tlocalhost',
      '::1\tlocalhost ip6-localhost ip6-loopback',
      'fe00::\tip6-localnet',
      'ff00::\tip6-mcastprefix',
      'ff02::1\tip6-allnodes',
      'ff02::2\tip6-allrouters',
      `${bridgeAddress()}\tgate`,
      '2001:db8::1\tsix',
      `${address}\tbox.example.test box`,
    ].join('\n'),
  );
  expect(await exec('box', 'cat', '/etc/hostname')).toBe('box');
  const hostFile = await engine.docker.ok('run', '--rm', '--network', 'host', 'busybox', 'cat', '/etc/resolv.conf');
  const servers = execFileSync('sed', ['-n', 's/^nameserver //p', '/etc/resolv.conf'], { encoding: 'utf8' });
  for (const server of servers.trim().split('\n')) expect(hostFile).toContain(`nameserver ${server}`);
});
