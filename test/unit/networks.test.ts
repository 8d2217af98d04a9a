import { AddressPool } from '../../daemon/networks/leases.js';
import { formatSubnet, overlap, parseCidr, toNumber } from '../../daemon/networks/subnet.js';
import { openDatabase } from '../../daemon/store/database.js';
import { NetworkStore } from '../../daemon/store/networks.js';

describe('subnets', () => {
  test('an address with its prefix', () => {
    const { subnet, address } = parseCidr('172.17.5.9/16');
    expect(formatSubnet(subnet)).toBe('172.17.0.0/16');
    expect(address).toBe(toNumber('172.17.5.9'));
  });
  test.each(['', '172.17.0.1', '172.17.0/16', '1.2.3.4/31', '1.2.3.4/x'])('%j is refused', (text) => {
    expect(() => parseCidr(text)).toThrow('invalid CIDR address');
  });
  test('overlap', () => {
    const of = (text: string): ReturnType<typeof parseCidr>['subnet'] => parseCidr(text).subnet;
    expect(overlap(of('10.0.0.0/8'), of('10.200.0.0/16'))).toBe(true);
    expect(overlap(of('172.17.0.0/16'), of('172.18.0.0/16'))).toBe(false);
    expect(overlap(of('192.168.0.0/20'), of('192.168.15.0/24'))).toBe(true);
  });
});

describe('leases', () => {
  function pool(): AddressPool {
    const store = new NetworkStore(openDatabase(':memory:'));
    store.insert({ id: 'n', name: 'n', driver: 'bridge', created: '', subnet: '', gateway: '' });
    return new AddressPool('n', parseCidr('10.0.0.1/29').subnet, toNumber('10.0.0.1'), store);
  }
  test('every address once, never the gateway, and then no more', () => {
    const addresses = pool();
    const given = [1, 2, 3, 4, 5].map((container) => addresses.lease(String(container)));
    expect(given).toEqual(['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
    expect(() => addresses.lease('6')).toThrow('is full');
  });
  test('a released address rests until the others have been used', () => {
    const addresses = pool();
    const first = addresses.lease('1');
    addresses.release(first);
    addresses.store.release('1');
    expect(addresses.lease('2')).toBe('10.0.0.3');
    addresses.lease('3');
    addresses.lease('4');
    addresses.lease('5');
    expect(addresses.lease('6')).toBe(first);
  });
  test('an address of the user', () => {
    const addresses = pool();
    expect(addresses.lease('1', '10.0.0.4')).toBe('10.0.0.4');
    expect(() => addresses.lease('2', '10.0.0.4')).toThrow('Address already in use');
    expect(() => addresses.lease('2', '10.0.1.4')).toThrow('not in the subnet');
  });
});
