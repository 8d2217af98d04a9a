import { execFileSync } from 'node:child_process';
import { OtherHost } from '../support/other-host.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

const sh = (script: string, ...flags: string[]): Promise<string> =>
  engine.docker.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

const inspect = (name: string, field: string): Promise<string> =>
  engine.docker.ok('inspect', '-f', `{{with index .NetworkSettings.Networks "bridge"}}{{.${field}}}{{end}}`, name);

async function sleeper(name: string, ...flags: string[]): Promise<void> {
  await engine.docker.ok('run', '-d', '--name', name, ...flags, 'busybox', 'sleep', '300');
}

describe('none', () => {
  test('there is a loopback and nothing else', async () => {
    expect(await sh('ls /sys/class/net; ip -o -4 addr; ip route', '--network', 'none')).toMatch(
      /^lo\n1: lo +inet 127\.0\.0\.1\/8 [^\n]*$/,
    );
    expect(await sh('ping -c 1 -W 2 127.0.0.1 > /dev/null && echo up', '--network', 'none')).toBe('up');
  });
});

describe('host', () => {
  test('the links are those of the host', async () => {
    const links = execFileSync('ls', ['/sys/class/net'], { encoding: 'utf8' }).trim();
    expect((await sh('ls /sys/class/net', '--network', 'host')).split('\n')).toEqual(
      expect.arrayContaining(links.split('\n').filter((link) => !link.startsWith('veth'))),
    );
  });
});

describe('bridge', () => {
  test('inspect tells the address, mac and gateway that the container has', async () => {
    await sleeper('one');
    const [address, prefix, gateway, mac] = await Promise.all(
      ['IPAddress', 'IPPrefixLen', 'Gateway', 'MacAddress'].map((field) => inspect('one', field)),
    );
    expect(await engine.docker.ok('exec', 'one', 'ip', '-o', '-4', 'addr', 'show', 'eth0')).toContain(
      `inet ${address}/${prefix} `,
    );
    expect(await engine.docker.ok('exec', 'one', 'ip', 'route')).toContain(`default via ${gateway} dev eth0`);
    expect(await engine.docker.ok('exec', 'one', 'cat', '/sys/class/net/eth0/address')).toBe(mac);
  });

  test('two containers reach each other by address, and the host by the gateway', async () => {
    await sleeper('one');
    await sleeper('two');
    const address = await inspect('two', 'IPAddress');
    expect(await inspect('one', 'IPAddress')).not.toBe(address);
    expect(await engine.docker.ok('exec', 'one', 'ping', '-c', '1', '-W', '3', address)).toContain(
      '1 packets received',
    );
    const gateway = await inspect('one', 'Gateway');
    expect(await engine.docker.ok('exec', 'one', 'ping', '-c', '1', '-W', '3', gateway)).toContain(
      '1 packets received',
    );
  });

  test('addresses are given back, and come again', async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 40; i++) seen.add(await sh("ip -o -4 addr show eth0 | awk '{print $4}'"));
    expect(seen.size).toBeLessThan(30);
  });

  test('a container joined to another has its address', async () => {
    await sleeper('one');
    const script = 'ip -o -4 addr show eth0';
    expect(await sh(script, '--network', 'container:one')).toContain(` ${await inspect('one', 'IPAddress')}/`);
  });

  test('--mac-address is taken', async () => {
    expect(await sh('cat /sys/class/net/eth0/address', '--mac-address', '02:42:c0:ff:ee:01')).toBe('02:42:c0:ff:ee:01');
  });

  test.each([
    ['1.44', { MacAddress: '02:42:c0:ff:ee:02' }, 201, 'The container-wide MacAddress field is now deprecated'],
    ['1.43', { MacAddress: '02:42:c0:ff:ee:02' }, 201, '"Warnings":[]'],
    ['1.44', { MacAddress: 'zz' }, 400, 'invalid config for network bridge: invalid MAC address zz'],
    [
      '1.44',
      {
        MacAddress: '02:42:c0:ff:ee:02',
        NetworkingConfig: { EndpointsConfig: { bridge: { MacAddress: '02:42:c0:ff:ee:03' } } },
      },
      400,
      'the container-wide MAC address must match the endpoint-specific MAC address for the main network',
    ],
  ])('API %s with a MAC address of the whole container, %j: %i', async (version, request, status, expected) => {
    const body = { Image: 'busybox', ...request };
    const answer = await engine.client.send('POST', `/v${version}/containers/create`, body);
    expect([answer.status, answer.body.toString()]).toEqual([status, expect.stringContaining(expected)]);
  });

  test('another host, which knows no way back to the containers, answers: what leaves is masqueraded', async () => {
    const host = new OtherHost();
    try {
      await sleeper('one');
      expect(await engine.docker.ok('exec', 'one', 'ping', '-c', '1', '-W', '3', host.address)).toContain(
        '1 packets received',
      );
    } finally {
      host.remove();
    }
  });

  test('after a restart the container is on the network again', async () => {
    await sleeper('one');
    await sleeper('two');
    await engine.docker.ok('restart', '-t', '0', 'two');
    const address = await inspect('two', 'IPAddress');
    expect(await engine.docker.ok('exec', 'one', 'ping', '-c', '1', '-W', '3', address)).toContain(
      '1 packets received',
    );
  });

  test('network ls and inspect show the three networks and who is on them', async () => {
    expect(
      (await engine.docker.ok('network', 'ls', '--format', '{{.Name}} {{.Driver}} {{.Scope}}')).split('\n'),
    ).toEqual(expect.arrayContaining(['bridge bridge local', 'host host local', 'none null local']));
    await sleeper('one');
    expect(
      await engine.docker.ok(
        'network',
        'inspect',
        '-f',
        '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}',
        'bridge',
      ),
    ).toBe(`one ${await inspect('one', 'IPAddress')}/${await inspect('one', 'IPPrefixLen')}`);
  });
});

describe('names', () => {
  test('/etc/hosts has the container, and what --add-host says', async () => {
    const hosts = await sh('cat /etc/hosts', '--add-host', 'db:10.9.8.7', '--add-host', 'up=host-gateway', '-h', 'web');
    expect(hosts).toMatch(/^127\.0\.0\.1\s+localhost$/m);
    expect(hosts).toMatch(/^10\.9\.8\.7\s+db$/m);
    expect(hosts).toMatch(/^\d+\.\d+\.\d+\.\d+\s+web$/m);
    expect(hosts).toMatch(/^\d+\.\d+\.\d+\.\d+\s+up$/m);
  });

  test('/etc/resolv.conf has what --dns says', async () => {
    const flags = ['--dns', '10.1.1.1', '--dns', '10.1.1.2', '--dns-search', 'example.org', '--dns-option', 'ndots:3'];
    const lines = (await sh('cat /etc/resolv.conf', ...flags)).split('\n').filter((line) => /^[a-z]/.test(line));
    expect(lines).toEqual(['nameserver 10.1.1.1', 'nameserver 10.1.1.2', 'search example.org', 'options ndots:3']);
  });

  test('the files can be written from inside, and stay so over a restart', async () => {
    await engine.docker.ok(
      'run',
      '--name',
      'box',
      'busybox',
      'sh',
      '-c',
      'echo "1.2.3.4 own" >> /etc/hosts; grep -c own /etc/hosts',
    );
    expect(await engine.docker.ok('start', '-a', 'box')).toMatch(/^[12]$/);
  });
});

test('a network that does not exist is named', async () => {
  expect(await engine.docker.fails('run', '--rm', '--network', 'nowhere', 'busybox', 'true')).toMatch(
    /network nowhere not found/,
  );
});
