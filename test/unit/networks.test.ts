import type { Container } from '../../daemon/containers/container.js';
import { formatAddress, formatSubnet, overlap, parseAddress, parseCidr } from '../../daemon/networks/address.js';
import { AddressPool } from '../../daemon/networks/address-pool.js';
import { parseBridgeOptions } from '../../daemon/networks/bridge-options.js';
import { defaultRoutes } from '../../daemon/networks/default-routes.js';
import { blankDefinition, subnetsOf } from '../../daemon/networks/definition.js';
import { allocateSubnets, validateIpam } from '../../daemon/networks/ipam.js';
import type { Network } from '../../daemon/networks/network.js';
import { memberNames } from '../../daemon/networks/network-names.js';
import { findFreeSubnet, subnetPools } from '../../daemon/networks/subnet-pools.js';
import { openDatabase } from '../../daemon/store/database.js';
import { NetworkStore } from '../../daemon/store/networks.js';

const address = (text: string) => parseAddress(text)!;
const subnet = (text: string) => parseCidr(text)!.subnet;

describe('addresses', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['fd00:0:0:1:0:0:0:9', 'fd00:0:0:1::9'],
    ['2001:DB8::0:1', '2001:db8::1'],
    ['::ffff:10.1.2.3', '::ffff:a01:203'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
  ])('%s is written %s', (text, written) => {
    expect(formatAddress(address(text))).toBe(written);
  });

  test.each(['10.0.0', '10.0.0.256', 'fe80::1%eth0', '', 'x', ':::'])('"%s" is none', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  test('an address with its prefix names its subnet', () => {
    const parsed = parseCidr('172.18.5.9/20')!;
    expect(formatSubnet(parsed.subnet)).toBe('172.18.0.0/20');
    expect(formatSubnet(subnet('fd00:1:2:3:4::5/64'))).toBe('fd00:1:2:3::/64');
    for (const wrong of ['10.0.0.0', '10.0.0.0/33', 'fd00::/129', '10.0.0.0/8/8', '10.0.0.0/-1']) {
      expect(parseCidr(wrong)).toBeUndefined();
    }
  });

  test('subnets overlap when one has an address of the other', () => {
    expect(overlap(subnet('10.0.0.0/8'), subnet('10.1.0.0/16'))).toBe(true);
    expect(overlap(subnet('10.0.0.0/16'), subnet('10.1.0.0/16'))).toBe(false);
    expect(overlap(subnet('0.0.0.0/0'), subnet('::/0'))).toBe(false);
  });
});

describe('pools', () => {
  const pools = [
    { base: '10.10.0.0/16', size: 24 },
    { base: '10.20.0.0/23', size: 24 },
    { base: 'fd00:9::/48', size: 64 },
  ];
  const free = (...used: string[]): string | undefined => {
    const found = findFreeSubnet(pools, 4, used.map(subnet));
    return found && formatSubnet(found);
  };

  test('the first piece that is free is found, past what is in the way', () => {
    expect(free()).toBe('10.10.0.0/24');
    expect(free('10.10.0.0/24', '10.10.1.128/25')).toBe('10.10.2.0/24');
    expect(free('10.10.0.0/17')).toBe('10.10.128.0/24');
    expect(free('10.0.0.0/12')).toBe('10.20.0.0/24');
    expect(free('10.0.0.0/8')).toBeUndefined();
  });

  test('IPv6 has pieces of its own, of a prefix that is the same each time', () => {
    expect(formatSubnet(findFreeSubnet(pools, 6, [subnet('fd00:9::/64')])!)).toBe('fd00:9:0:1::/64');
    const [one, two] = ['one', 'two'].map((identity) => subnetPools([], identity).at(-1)!.base);
    expect(one).toMatch(/^fd[0-9a-f]{2}:.*::\/48$/);
    expect(one).not.toBe(two);
    expect(subnetPools([], 'one').at(-1)!.base).toBe(one);
    expect(subnetPools([{ base: 'fd00:7::/48', size: 64 }], 'one')).toHaveLength(1);
  });
});

describe('IPAM', () => {
  test.each([
    [{ Subnet: '10.95.0.0' }, 'invalid subnet 10.95.0.0: invalid CIDR block notation'],
    [{ Subnet: '10.95.0.1/24' }, 'invalid subnet 10.95.0.1/24: it should be 10.95.0.0/24'],
    [
      { Subnet: '10.95.0.0/24', Gateway: '10.96.0.1' },
      "invalid gateway 10.96.0.1: parent subnet 10.95.0.0/24 doesn't contain this address",
    ],
    [
      { Subnet: '10.95.0.0/24', IPRange: '10.95.0.0/16' },
      'invalid ip-range 10.95.0.0/16: CIDR block is bigger than its parent subnet 10.95.0.0/24',
    ],
    [
      { Subnet: '10.95.0.0/24', AuxiliaryAddresses: { a: '10.96.0.1' } },
      "invalid auxiliary address a: parent subnet 10.95.0.0/24 doesn't contain this address",
    ],
  ])('%j is refused as Docker does', (config, reason) => {
    expect(() => validateIpam({ Config: [config] })).toThrow(`invalid network config:\n${reason}`);
  });

  test('each family gets a subnet, from the request or from a pool, with its first address for the gateway', () => {
    const pools = [
      { base: '10.10.0.0/16', size: 24 },
      { base: 'fd00:9::/48', size: 64 },
    ];
    const request = { Config: [{ Subnet: '10.95.0.0/24', IPRange: '10.95.0.128/25' }] };
    const { subnets, ipam } = allocateSubnets(request, [4, 6], pools, []);
    expect(subnets.map(({ subnet: text, gateway }) => [text, gateway])).toEqual([
      ['10.95.0.0/24', '10.95.0.128'],
      ['fd00:9::/64', 'fd00:9::1'],
    ]);
    expect(ipam).toEqual([request.Config[0], { Subnet: 'fd00:9::/64', Gateway: 'fd00:9::1' }]);
    expect(() => allocateSubnets(request, [4], pools, [subnet('10.0.0.0/8')])).toThrow('Pool overlaps');
  });

  test.each([
    [{ Subnet: '10.1.1.1/32' }, '10.1.1.1'],
    [{ Subnet: 'fd00:1::/127' }, 'fd00:1::'],
    [{ Subnet: 'fd00:1::1/128' }, 'failed to allocate gateway (): no available addresses on this pool'],
    [
      { Subnet: 'fd00:1::1/128', Gateway: 'fd00:1::1' },
      'failed to allocate gateway (fd00:1::1): Address already in use',
    ],
  ])('the gateway of the smallest subnets, %j: %s', (config, expected) => {
    let result: string | undefined;
    try {
      result = allocateSubnets({ Config: [config] }, config.Subnet.includes(':') ? [6] : [4], [], []).subnets[0]
        ?.gateway;
    } catch (error) {
      result = (error as Error).message;
    }
    expect(result).toBe(expected);
  });
});

describe('leases', () => {
  const record = {
    id: 'n',
    name: 'net',
    driver: 'bridge' as const,
    created: '',
    definition: {
      ...blankDefinition(),
      subnets: [
        { subnet: '10.9.8.0/29', range: '', gateway: '10.9.8.1', auxiliary: ['10.9.8.3'] },
        { subnet: 'fd00:5::/64', range: '', gateway: 'fd00:5::1', auxiliary: [] },
      ],
    },
  };
  const open = () => {
    const store = new NetworkStore(openDatabase(':memory:'));
    store.insert(record);
    return { store, pools: subnetsOf(record).map((each) => new AddressPool('n', each, store)) };
  };
  const lease = (pool: AddressPool, wanted?: string): string =>
    formatAddress(pool.lease('c', wanted === undefined ? undefined : address(wanted)));

  test('the lowest free address is given out, never the gateway or a reserved one, and none twice', () => {
    const { pools, store } = open();
    const all = [1, 2, 3, 4].map(() => lease(pools[0]!));
    expect(all).toEqual(['10.9.8.2', '10.9.8.4', '10.9.8.5', '10.9.8.6']);
    expect(() => lease(pools[0]!)).toThrow('no available IPv4 addresses');
    pools[0]!.release(address('10.9.8.4'));
    store.release('c', 'n');
    expect(lease(pools[0]!)).toBe('10.9.8.4');
  });

  test('an address can be asked for once', () => {
    const { pools } = open();
    expect(lease(pools[1]!, 'fd00:5::2')).toBe('fd00:5::2');
    expect(() => lease(pools[1]!, 'fd00:5::2')).toThrow('Address already in use');
    expect(() => lease(pools[0]!, '10.9.8.3')).toThrow('Address already in use');
    expect(lease(pools[1]!)).toBe('fd00:5::3');
  });

  test('SQLite has the last word', () => {
    const { pools, store } = open();
    store.lease('n', '10.9.8.2', 'other');
    expect(() => lease(pools[0]!)).toThrow('UNIQUE');
    pools[0]!.restore(address('10.9.8.2'));
    expect(lease(pools[0]!)).toBe('10.9.8.4');
  });
});

test('a container has names on a network for as long as it is there', () => {
  const container = {
    id: 'c1',
    name: 'one',
    networks: { web: { IPAddress: '10.0.0.3', GlobalIPv6Address: 'fd00::3', DNSNames: ['one', 'app'] } },
  } as unknown as Container;
  const members = new Map([['c1', container]]);
  const network = { name: 'web', members } as unknown as Network;
  expect(memberNames(container, network)).toEqual({
    addresses: ['10.0.0.3', 'fd00::3'],
    names: ['one', 'app'],
    reverse: 'one.web',
  });
  members.delete('c1');
  expect(memberNames(container, network)).toBeUndefined();
});

describe('bridge options', () => {
  const prefix = 'com.docker.network';
  test.each([
    [{ [`${prefix}.bridge.enable_icc`]: 'maybe' }, 'strconv.ParseBool: parsing "maybe": invalid syntax'],
    [{ [`${prefix}.driver.mtu`]: '-1' }, 'invalid MTU number: -1'],
    [{ [`${prefix}.bridge.host_binding_ipv4`]: 'x' }, 'value: x (nil ip)'],
    [{ [`${prefix}.bridge.gateway_mode_ipv4`]: 'x' }, 'unknown gateway mode x'],
    [{ [`${prefix}.bridge.gateway_mode_ipv4`]: 'isolated' }, 'can only be used for an internal network'],
    [{ [`${prefix}.nosuch`]: '1' }, `option "${prefix}.nosuch" is not supported`],
  ])('%j is refused', (options, reason) => {
    expect(() => parseBridgeOptions(options, false)).toThrow(reason);
  });

  test('what is not said is as Docker has it', () => {
    expect(parseBridgeOptions({}, false)).toMatchObject({
      interContainer: true,
      masquerade: true,
      gatewayModeIPv4: 'nat',
      interfacePrefix: 'eth',
    });
  });
});

test('the default route is that of the highest priority, then of the first name, and each family has its own', () => {
  const candidate = (network: string, priority: number, gateways: Partial<Record<4 | 6, string>>) => ({
    network,
    interface: `if-${network}`,
    priority,
    gateways,
  });
  const interfaces = (...candidates: ReturnType<typeof candidate>[]) =>
    defaultRoutes(candidates).map((route) => `${route.family} ${route.interface} ${route.gateway}`);
  expect(interfaces(candidate('b', 0, { 4: '1.1.1.1' }), candidate('a', 0, { 4: '2.2.2.2' }))).toEqual([
    '4 if-a 2.2.2.2',
  ]);
  expect(interfaces(candidate('a', 0, { 4: '1.1.1.1' }), candidate('z', 7, { 4: '2.2.2.2' }))).toEqual([
    '4 if-z 2.2.2.2',
  ]);
  expect(interfaces(candidate('a', 9, { 4: '1.1.1.1' }), candidate('z', 0, { 6: 'fd00::1' }))).toEqual([
    '4 if-a 1.1.1.1',
    '6 if-z fd00::1',
  ]);
  expect(interfaces(candidate('internal', 9, {}))).toEqual([]);
});
