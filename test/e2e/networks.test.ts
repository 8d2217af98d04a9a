import { execFileSync } from 'node:child_process';
import { eventually } from '../support/eventually.js';
import { OtherHost } from '../support/other-host.js';
import { useEngine } from '../support/test-engine.js';

const block = 40 + (process.pid & 63);
const engine = useEngine(['--default-address-pool', `base=10.${block}.0.0/16,size=24`]);

const create = (name: string, ...flags: string[]): Promise<string> =>
  engine.docker.ok('network', 'create', ...flags, name);

async function sleeper(name: string, ...flags: string[]): Promise<void> {
  await engine.docker.ok('run', '-d', '--name', name, ...flags, 'busybox', 'sleep', '300');
}

const exec = (name: string, ...command: string[]): Promise<string> => engine.docker.ok('exec', name, ...command);

const reaches = async (name: string, address: string): Promise<boolean> =>
  (await engine.docker.run(['exec', name, 'ping', '-c', '1', '-W', '1', address])).code === 0;

interface Endpoint {
  IPAddress: string;
  GlobalIPv6Address: string;
  Gateway: string;
  MacAddress: string;
  NetworkID: string;
  EndpointID: string;
  Aliases: string[] | null;
  DNSNames: string[] | null;
}

async function networksOf(name: string): Promise<Record<string, Endpoint>> {
  const all = await engine.docker.ok('inspect', '-f', '{{json .NetworkSettings.Networks}}', name);
  return JSON.parse(all) as Record<string, Endpoint>;
}

async function endpoint(name: string, network: string): Promise<Endpoint> {
  return (await networksOf(name))[network]!;
}

const post = async (path: string, body: object): Promise<[number, string]> => {
  const { status, body: answer } = await engine.client.send('POST', path, body);
  return [status, (JSON.parse(answer.toString() || '{}') as { message?: string }).message ?? ''];
};

describe('the API', () => {
  test('a network is created, listed, inspected and removed; once by its name', async () => {
    const id = await create('net', '--label', 'a=b');
    const network = (await engine.client.json<Record<string, unknown>>('GET', '/networks/net')) as {
      Id: string;
      IPAM: { Config: { Subnet: string; Gateway: string }[] };
    };
    expect(network).toMatchObject({ Name: 'net', Id: id, Driver: 'bridge', Scope: 'local', Labels: { a: 'b' } });
    expect(network.IPAM.Config).toEqual([
      { Subnet: expect.stringMatching(`^10.${block}.\\d+.0/24$`), Gateway: expect.stringMatching(/\.1$/) },
    ]);
    expect(await post('/networks/create', { Name: 'net' })).toEqual([409, 'network with name net already exists']);
    await engine.docker.ok('network', 'rm', id.slice(0, 10));
    expect((await engine.client.send('GET', '/networks/net')).status).toBe(404);
  });

  test('the list is filtered by every filter there is, and by no other', async () => {
    const id = await create('web', '--label', 'a=b', '--label', 'c');
    await create('used');
    await sleeper('box', '--network', 'used');
    const list = async (...filters: string[]): Promise<string[]> => {
      const flags = filters.flatMap((filter) => ['--filter', filter]);
      const names = await engine.docker.ok('network', 'ls', '--format', '{{.Name}}', ...flags);
      return names.split('\n').filter((name) => name !== '');
    };
    for (const [filter, expected] of [
      ['label=a=b', ['web']],
      ['label=a', ['web']],
      ['label=a=c', []],
      ['type=custom', ['used', 'web']],
      ['type=builtin', ['bridge', 'host', 'none']],
      ['dangling=true', ['web']],
      ['dangling=0', ['bridge', 'host', 'none', 'used']],
      ['driver=bridge', ['bridge', 'used', 'web']],
      ['driver=null', ['none']],
      ['driver=macvlan', []],
      ['name=we', ['web']],
      ['name=^eb', []],
      [`id=${id.slice(0, 20)}`, ['web']],
      ['scope=local', ['bridge', 'host', 'none', 'used', 'web']],
      ['scope=swarm', []],
    ] as const) {
      expect([filter, await list(filter)]).toEqual([filter, expected]);
    }
    expect(await list('type=custom', 'label=c', 'driver=bridge')).toEqual(['web']);
    const refused = (filter: string): Promise<string> => engine.docker.fails('network', 'ls', '--filter', filter);
    expect(await refused('type=x')).toContain(`invalid filter: 'type'='x'`);
    expect(await refused('dangling=x')).toContain(`invalid value for filter 'dangling', must be "true" (or "1")`);
    expect(await refused('x=y')).toContain(`invalid filter 'x'`);
  });

  test.each([
    [{ Name: '' }, 400, 'invalid name: name is empty'],
    [{ Name: 'host' }, 403, 'operation is not permitted on predefined host network '],
    [{ Name: 'x', Driver: 'nosuch' }, 404, 'plugin "nosuch" not found'],
    [{ Name: 'x', Driver: 'host' }, 403, 'only one instance of "host" network is allowed'],
    [{ Name: 'x', EnableIPv4: false, EnableIPv6: false }, 400, 'IPv4 or IPv6 must be enabled'],
    [{ Name: 'x', Options: { foo: 'bar' } }, 400, 'option "foo" is not supported by the bridge driver'],
    [{ Name: 'x', IPAM: { Config: [{ Subnet: '10.1.0.1/24' }] } }, 400, 'it should be 10.1.0.0/24'],
    [
      { Name: 'x', IPAM: { Config: [{ Subnet: '10.1.0.0/24' }, { Subnet: '10.1.1.0/24' }] } },
      403,
      "bridge driver doesn't support multiple subnets",
    ],
    [
      { Name: 'x', IPAM: { Config: [{ Subnet: '10.1.0.0/24', Gateway: '10.1.0.255' }] } },
      500,
      'failed to allocate gateway (10.1.0.255): Address already in use',
    ],
    [{ Name: 'x', IPAM: { Driver: 'null' } }, 400, 'ipv4 pool is empty'],
    [
      { Name: 'x', Driver: 'macvlan', Options: { parent: 'nosuch0.10' } },
      500,
      '-o parent interface was not found on the host: nosuch0',
    ],
    [
      { Name: 'x', Driver: 'ipvlan', Options: { parent: 'lo.4095' } },
      500,
      'vlan id must be between 1-4094, received: 4095',
    ],
    [{ Name: 'x', ConfigOnly: true, Internal: true }, 403, 'can only contain network specific fields'],
    [{ Name: 'x', ConfigFrom: { Network: 'bridge' } }, 404, 'configuration network "bridge" does not exist'],
    [{ Name: 'x', ConfigFrom: { Network: 'c' }, Labels: { a: 'b' } }, 403, 'user specified configurations are not'],
    [{ Name: 'x', ConfigFrom: { Network: 'c' }, Options: { a: 'b' } }, 403, 'network driver options are not'],
    [{ Name: 'x', ConfigFrom: { Network: 'c' }, ConfigOnly: true }, 403, 'a configuration network cannot depend on'],
    [
      { Name: 'x', Options: { 'com.docker.network.enable_ipv6': 'x' } },
      400,
      'driver-opt "com.docker.network.enable_ipv6" is not a valid bool',
    ],
    [
      { Name: 'x', Options: { 'com.docker.network.driver.mtu': '' } },
      400,
      'failed to parse com.docker.network.driver.mtu value:  (strconv.Atoi: parsing "": invalid syntax)',
    ],
  ])('%j is refused with %i', async (body, status, message) => {
    expect(await post('/networks/create', body)).toEqual([status, expect.stringContaining(message)]);
  });

  test('connect and disconnect refuse in the words of Docker', async () => {
    await create('net');
    await sleeper('box', '--network', 'net');
    const { EndpointID } = await endpoint('box', 'net');
    const connect = (network: string, body: object): Promise<[number, string]> =>
      post(`/networks/${network}/connect`, { Container: 'box', ...body });
    expect(await connect('net', {})).toEqual([403, 'endpoint with name box already exists in network net']);
    expect(await connect('nowhere', {})).toEqual([404, 'network nowhere not found']);
    expect(await connect('net', { Container: 'nobody' })).toEqual([404, 'No such container: nobody']);
    expect((await connect('host', {}))[0]).toBe(400);
    expect(await connect('bridge', { EndpointConfig: { Aliases: ['x'] } })).toEqual([
      400,
      'invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined networks',
    ]);
    expect(await post('/networks/bridge/disconnect', { Container: 'box' })).toEqual([
      500,
      expect.stringMatching(/^container [0-9a-f]{64} is not connected to network bridge$/),
    ]);
    const { status, body } = await engine.client.send('DELETE', '/networks/net');
    expect([status, body.toString()]).toEqual([
      403,
      expect.stringContaining(`has active endpoints (name:\\"box\\" id:\\"${EndpointID.slice(0, 12)}\\")`),
    ]);
  });

  test('prune takes what no container has, running or not', async () => {
    for (const name of ['used', 'unused']) await create(name);
    await create('configuration', '--config-only');
    await engine.docker.ok('create', '--name', 'box', '--network', 'used', 'busybox', 'true');
    expect(await engine.docker.ok('network', 'prune', '-f')).toContain('unused');
    const again = await engine.client.send('POST', '/networks/prune');
    expect(again.body.toString()).toMatch('{"NetworksDeleted":null}');
    expect(await engine.docker.ok('network', 'ls', '-q', '--filter', 'type=custom', '--format', '{{.Name}}')).toBe(
      'configuration\nused',
    );
    await create('young', '--label', 'a=b');
    for (const filter of ['until=1h', 'label=c', 'label!=a=b']) {
      expect(await engine.docker.ok('network', 'prune', '-f', '--filter', filter)).not.toContain('young');
    }
    expect(await engine.docker.ok('network', 'prune', '-f', '--filter', 'label=a')).toContain('young');
    const twice = encodeURIComponent(JSON.stringify({ until: ['1h', '2h'] }));
    expect(await post(`/networks/prune?filters=${twice}`, {})).toEqual([400, 'more than one until filter specified']);
  });

  test('a configuration network lends its settings, and IPv4 is shown first', async () => {
    const subnets = ['--ipv6', '--subnet', 'fd00:203::/64', '--subnet', `10.${block}.203.0/24`];
    await create('settings', '--config-only', ...subnets, '--label', 'a=b');
    await create('net', '--config-from', 'settings');
    const network = await engine.client.json<Record<string, unknown>>('GET', '/networks/net');
    expect(network).toMatchObject({ EnableIPv6: true, Labels: { a: 'b' }, ConfigFrom: { Network: 'settings' } });
    expect(network['IPAM']).toMatchObject({
      Config: [{ Subnet: `10.${block}.203.0/24` }, { Subnet: 'fd00:203::/64' }],
    });
    expect(await engine.docker.fails('network', 'rm', 'settings')).toContain('is in use');
  });

  test('a container that does not run joins, and leaves also what is no longer there', async () => {
    await create('net');
    await engine.docker.ok('create', '--name', 'box', 'busybox', 'true');
    await engine.docker.ok('network', 'connect', '--alias', 'db', 'net', 'box');
    await engine.docker.ok('network', 'connect', '--alias', 'other', 'net', 'box');
    const id = (await engine.docker.ok('inspect', '-f', '{{.Id}}', 'box')).slice(0, 12);
    expect(await endpoint('box', 'net')).toMatchObject({ Aliases: ['db'], DNSNames: ['box', 'db', id] });
    const old = await engine.client.json<{ NetworkSettings: { Networks: Record<string, Endpoint> } }>(
      'GET',
      '/v1.44/containers/box/json',
    );
    expect(old.NetworkSettings.Networks['net']!.Aliases).toEqual(['db', id]);
    await engine.docker.ok('network', 'rm', 'net');
    await engine.docker.ok('network', 'disconnect', 'net', 'box');
    expect(await post('/networks/net/disconnect', { Container: 'box' })).toEqual([
      500,
      expect.stringMatching(/^container [0-9a-f]{64} is not connected to the network net$/),
    ]);
    expect(Object.keys(await networksOf('box'))).toEqual(['bridge']);
  });

  test('the endpoints of a request are all that a container gets; the mode alone decides only without them', async () => {
    await create('net');
    const body = { Image: 'busybox', NetworkingConfig: { EndpointsConfig: { net: {} } } };
    await post('/containers/create?name=box', body);
    expect(Object.keys(await networksOf('box'))).toEqual(['net']);
    const [status] = await post('/containers/create', { ...body, HostConfig: { NetworkMode: 'host' } });
    expect(status).toBe(400);
  });

  test('who joins the network of another stays with that one, whoever gets its name', async () => {
    await sleeper('one');
    await engine.docker.ok('create', '--name', 'two', '--network', 'container:one', 'busybox', 'hostname');
    const id = await engine.docker.ok('inspect', '-f', '{{.Id}}', 'one');
    expect(await engine.docker.ok('inspect', '-f', '{{.HostConfig.NetworkMode}}', 'two')).toBe(`container:${id}`);
    await engine.docker.ok('rename', 'one', 'other');
    await sleeper('one');
    expect(await engine.docker.ok('start', '-a', 'two')).toBe(id.slice(0, 12));
  });

  test('events tell of networks and who is on them', async () => {
    const since = Date.now();
    await create('net');
    await sleeper('box', '--network', 'net');
    await engine.docker.ok('rm', '-f', 'box');
    await engine.docker.ok('network', 'rm', 'net');
    const format = '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}';
    const events = await engine.docker.eventsSince(since, 'type=network', format);
    expect(events).toEqual(['create', 'connect', 'disconnect', 'destroy'].map((a) => `${a} net bridge`));
  });
});

describe('isolation', () => {
  test('containers reach those of their network, not those of another, whatever they know', async () => {
    await create('one');
    await create('two');
    await sleeper('ca', '--network', 'one');
    await sleeper('cb', '--network', 'one');
    await sleeper('cc', '--network', 'two');
    expect(await reaches('ca', (await endpoint('cb', 'one')).IPAddress)).toBe(true);
    expect(await reaches('ca', (await endpoint('cc', 'two')).IPAddress)).toBe(false);
    await engine.docker.ok('network', 'connect', 'two', 'ca');
    expect(await reaches('ca', (await endpoint('cc', 'two')).IPAddress)).toBe(true);
    await engine.docker.ok('network', 'disconnect', 'two', 'ca');
    expect(await reaches('ca', (await endpoint('cc', 'two')).IPAddress)).toBe(false);
  });

  test('without inter-container communication only the host and the outside are reached', async () => {
    await create('net', '-o', 'com.docker.network.bridge.enable_icc=false');
    await sleeper('ca', '--network', 'net');
    await sleeper('cb', '--network', 'net');
    const { IPAddress, Gateway } = await endpoint('cb', 'net');
    expect(await reaches('ca', IPAddress)).toBe(false);
    expect(await reaches('ca', Gateway)).toBe(true);
    // What is published is published for everybody, whether or not the host filters bridged packets.
    const serve = 'mkdir /w; echo here >/w/index.html; exec httpd -f -h /w';
    await engine.docker.ok(
      ...['run', '-d', '--name', 'web', '--network', 'net', '-p', '80', 'busybox', 'sh', '-c', serve],
    );
    const [, port] = /:(\d+)$/m.exec(await engine.docker.ok('port', 'web')) ?? [];
    for (const client of ['ca', 'web']) {
      const fetch = ['exec', client, 'timeout', '2', 'wget', '-q', '-O', '-', `http://${Gateway}:${port}/`];
      await eventually(
        async () => (await engine.docker.run(fetch)).stdout,
        (answer) => answer.trim() === 'here',
      );
    }
  });

  test('an internal network has no way out', async () => {
    const outside = new OtherHost();
    try {
      await create('closed', '--internal');
      await create('open');
      await sleeper('ca', '--network', 'closed');
      await sleeper('cb', '--network', 'closed');
      await sleeper('cc', '--network', 'open');
      expect(await exec('ca', 'ip', 'route')).not.toContain('default');
      expect(await reaches('ca', (await endpoint('cb', 'closed')).IPAddress)).toBe(true);
      const [, gateway = ''] =
        /Gateway":"([^"]+)"/.exec(
          await engine.docker.ok('network', 'inspect', '-f', '{{json .IPAM.Config}}', 'closed'),
        ) ?? [];
      await engine.docker.ok('exec', '--privileged', 'ca', 'ip', 'route', 'add', 'default', 'via', gateway);
      expect(await reaches('ca', outside.address)).toBe(false);
      expect(await reaches('cc', outside.address)).toBe(true);
    } finally {
      outside.remove();
    }
  });
});

test('the bridge of an isolated network has no address, and takes none of the containers', async () => {
  const bridge = `ui${process.pid}`;
  const isolated = ['4', '6'].flatMap((family) => [
    '-o',
    `com.docker.network.bridge.gateway_mode_ipv${family}=isolated`,
  ]);
  const subnets = ['--ipv6', '--subnet', `10.${block}.205.0/24`, '--subnet', 'fd00:205::/64'];
  await create('net', '--internal', ...isolated, ...subnets, '-o', `com.docker.network.bridge.name=${bridge}`);
  await sleeper('ca', '--network', 'net');
  await sleeper('cb', '--network', 'net');
  const { IPAddress, GlobalIPv6Address, Gateway } = await endpoint('ca', 'net');
  expect([IPAddress, GlobalIPv6Address, Gateway]).toEqual([`10.${block}.205.1`, 'fd00:205::1', '']);
  const shown = execFileSync('ip', ['-o', 'address', 'show', 'dev', bridge, 'scope', 'global'], { encoding: 'utf8' });
  expect(shown).toBe('');
  for (const address of [IPAddress, GlobalIPv6Address]) expect(await reaches('cb', address)).toBe(true);
});

describe('addresses', () => {
  test('static ones of both families are given, once', async () => {
    await create('net', '--subnet', `10.${block}.200.0/24`, '--ipv6', '--subnet', 'fd00:200::/64');
    const flags = ['--network', 'net', '--ip', `10.${block}.200.77`, '--ip6', 'fd00:200::77'];
    await sleeper('one', ...flags);
    expect(await endpoint('one', 'net')).toMatchObject({
      IPAddress: `10.${block}.200.77`,
      GlobalIPv6Address: 'fd00:200::77',
      IPv6Gateway: 'fd00:200::1',
    });
    expect(await exec('one', 'ip', '-o', 'addr', 'show', 'eth0')).toContain('inet6 fd00:200::77/64');
    expect(await engine.docker.fails('run', '--rm', ...flags, 'busybox', 'true')).toContain('Address already in use');
    const outsideOfSubnet = await engine.docker.fails('create', '--network', 'net', '--ip', '10.1.1.1', 'busybox');
    const broadcast = ['--network', 'net', '--ip', `10.${block}.200.255`];
    expect(await engine.docker.fails('run', '--rm', ...broadcast, 'busybox')).toContain('Address already in use');
    expect(outsideOfSubnet).toContain('no configured subnet or ip-range contain the IP address 10.1.1.1');
    await sleeper('two', '--network', 'net');
    expect(await reaches('two', 'fd00:200::77')).toBe(true);
    expect(await reaches('two', 'fd00:200::1')).toBe(true);
  });

  test('link-local addresses come with the others, and belong to no family of the network', async () => {
    await create('net');
    await sleeper('box');
    const addresses = ['--link-local-ip', '169.254.5.5', '--link-local-ip', 'fe80::55'];
    await engine.docker.ok('network', 'connect', ...addresses, 'net', 'box');
    const shown = await exec('box', 'ip', '-o', 'addr', 'show', 'eth1');
    expect(shown).toContain('inet 169.254.5.5/16');
    expect(shown).toContain('inet6 fe80::55/64');
  });

  test('a network of IPv6 alone has nothing of IPv4', async () => {
    await create('six', '--ipv6', '--ipv4=false');
    await sleeper('ca', '--network', 'six');
    await sleeper('cb', '--network', 'six');
    const { IPAddress, GlobalIPv6Address } = await endpoint('cb', 'six');
    expect([IPAddress, GlobalIPv6Address]).toEqual(['', expect.stringMatching(/^fd/)]);
    expect(await exec('ca', 'ip', '-4', '-o', 'addr', 'show', 'eth0')).toBe('');
    expect(await reaches('ca', GlobalIPv6Address)).toBe(true);
  });

  test('an ip-range and auxiliary addresses are kept to', async () => {
    const subnet = `10.${block}.201`;
    await create(
      'net',
      '--subnet',
      `${subnet}.0/24`,
      '--ip-range',
      `${subnet}.128/30`,
      '--aux-address',
      `r=${subnet}.129`,
    );
    await sleeper('one', '--network', 'net');
    await sleeper('two', '--network', 'net');
    const addresses = await Promise.all(['one', 'two'].map(async (name) => (await endpoint(name, 'net')).IPAddress));
    expect(addresses).toEqual([`${subnet}.130`, `${subnet}.131`]);
    expect(await engine.docker.fails('run', '--rm', '--network', 'net', 'busybox', 'true')).toContain('is full');
  });
});

describe('several networks', () => {
  const defaultRoute = async (name: string): Promise<string> =>
    /default via (\S+)/.exec(await exec(name, 'ip', 'route'))?.[1] ?? '';

  test('the default route goes by priority, then by name, and changes with the networks', async () => {
    for (const name of ['a', 'b', 'c']) await create(name);
    await sleeper('box', '--network', 'b', '--network', 'name=a,gw-priority=-1');
    expect((await exec('box', 'ls', '/sys/class/net')).split(/\s+/)).toEqual(['eth0', 'eth1', 'lo']);
    expect(await defaultRoute('box')).toBe((await endpoint('box', 'b')).Gateway);
    await engine.docker.ok('network', 'connect', '--gw-priority', '5', 'c', 'box');
    expect(await defaultRoute('box')).toBe((await endpoint('box', 'c')).Gateway);
    await engine.docker.ok('network', 'disconnect', 'c', 'box');
    expect(await defaultRoute('box')).toBe((await endpoint('box', 'b')).Gateway);
    await engine.docker.ok('network', 'disconnect', 'b', 'box');
    expect(await defaultRoute('box')).toBe((await endpoint('box', 'a')).Gateway);
    expect(await exec('box', 'ls', '/sys/class/net')).toMatch(/eth1\s+lo/);
  });

  test('aliases, MAC address and the name of the interface are as asked, also after a restart', async () => {
    await create('net');
    await engine.docker.ok('run', '-d', '--name', 'box', '-h', 'web', 'busybox', 'sleep', '300');
    const options = ['--driver-opt', 'com.docker.network.endpoint.ifname=up9', '--alias', 'db'];
    await engine.docker.ok('network', 'connect', ...options, 'net', 'box');
    const id = (await engine.docker.ok('inspect', '-f', '{{.Id}}', 'box')).slice(0, 12);
    const check = async (): Promise<void> => {
      const { Aliases, DNSNames, MacAddress } = await endpoint('box', 'net');
      expect([Aliases, DNSNames]).toEqual([['db'], ['box', 'db', id, 'web']]);
      expect(await exec('box', 'cat', '/sys/class/net/up9/address')).toBe(MacAddress);
    };
    await check();
    await engine.docker.ok('restart', '-t', '0', 'box');
    await check();
    await engine.docker.ok('rename', 'box', 'chest');
    expect((await endpoint('chest', 'net')).DNSNames).toEqual(['chest', 'db', id, 'web']);
  });

  test('a MAC address of the user comes back with each start', async () => {
    await create('net');
    await sleeper('box', '--network', 'name=net,mac-address=02:00:00:00:00:09');
    await engine.docker.ok('restart', '-t', '0', 'box');
    expect(await exec('box', 'cat', '/sys/class/net/eth0/address')).toBe('02:00:00:00:00:09');
    expect((await endpoint('box', 'net')).MacAddress).toBe('02:00:00:00:00:09');
    expect(await engine.docker.ok('inspect', '-f', '{{.Config.MacAddress}}', 'box')).toBe('02:00:00:00:00:09');
  });
});

test('options of the bridge are honoured', async () => {
  const bridge = `ub${process.pid}`;
  await create('net', '-o', `com.docker.network.bridge.name=${bridge}`, '-o', 'com.docker.network.driver.mtu=1400');
  await sleeper('box', '--network', 'net');
  expect(await exec('box', 'cat', '/sys/class/net/eth0/mtu')).toBe('1400');
  expect(execFileSync('ip', ['-o', 'link', 'show', bridge], { encoding: 'utf8' })).toContain('mtu 1400');
  const same = await engine.docker.fails(
    'network',
    'create',
    '-o',
    `com.docker.network.bridge.name=${bridge}`,
    'other',
  );
  expect(same).toContain('networks have same bridge name');
});

test('macvlan puts a container on the link of the host', async () => {
  const outside = new OtherHost();
  try {
    const subnet = '192.168.213';
    outside.ip('address', 'add', `${subnet}.200/24`, 'dev', 'eth0');
    await create('lan', '-d', 'macvlan', '--subnet', `${subnet}.0/24`, '-o', `parent=${outside.link}`);
    await sleeper('box', '--network', 'lan');
    expect((await endpoint('box', 'lan')).IPAddress).toBe(`${subnet}.2`);
    expect(await reaches('box', `${subnet}.200`)).toBe(true);
    await sleeper('other', '--network', 'lan');
    expect(await reaches('box', (await endpoint('other', 'lan')).IPAddress)).toBe(true);
    await engine.docker.ok('rm', '-f', 'box', 'other');
  } finally {
    outside.remove();
  }
});

test('networks, addresses and rules are there again after the daemon was killed and its bridge taken away', async () => {
  await create('net');
  await create('idle');
  await sleeper('ca', '--network', 'net');
  await sleeper('cb', '--network', 'net');
  const address = (await endpoint('cb', 'net')).IPAddress;
  const idle = `br-${(await engine.docker.ok('network', 'inspect', '-f', '{{.Id}}', 'idle')).slice(0, 12)}`;
  await engine.daemon!.kill();
  expect(answers(address)).toBe(true);
  execFileSync('ip', ['link', 'delete', idle]);
  execFileSync('nft', ['delete', 'table', 'inet', `gantry_${engine.daemon!.bridge}`]);
  await engine.daemon!.start();
  expect(await reaches('ca', address)).toBe(true);
  expect((await endpoint('cb', 'net')).IPAddress).toBe(address);
  await sleeper('cc', '--network', 'net');
  const taken = await Promise.all(['ca', 'cb', 'cc'].map(async (name) => (await endpoint(name, 'net')).IPAddress));
  expect(new Set(taken).size).toBe(3);
  await sleeper('cd', '--network', 'idle');
  expect(await reaches('cd', (await endpoint('cd', 'idle')).Gateway)).toBe(true);
  expect(await reaches('cd', address)).toBe(false);
});

/** Whether an address answers on this host; for when there is no daemon to ask. */
function answers(address: string): boolean {
  try {
    execFileSync('busybox', ['ping', '-c', '1', '-W', '1', address], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
