import { exposedPorts, portRequests } from '../../daemon/networks/port-requests.js';

const requests = (PortBindings: object, more: object = {}, config: object = {}) =>
  portRequests({ PortBindings, ...more } as Parameters<typeof portRequests>[0], config);

test('a binding names host ports, an address, or neither', () => {
  expect(
    requests({
      '80/tcp': [{ HostPort: '8080' }, { HostIp: '127.0.0.1', HostPort: '9000-9002' }],
      '53/udp': [{ HostIp: '::1' }],
      '7/sctp': [],
    }),
  ).toEqual([
    { protocol: 'sctp', containerPort: 7, hostAddress: '', first: 0, last: 0 },
    { protocol: 'udp', containerPort: 53, hostAddress: '::1', first: 0, last: 0 },
    { protocol: 'tcp', containerPort: 80, hostAddress: '', first: 8080, last: 8080 },
    { protocol: 'tcp', containerPort: 80, hostAddress: '127.0.0.1', first: 9000, last: 9002 },
  ]);
});

test('all exposed ports are published where that is asked for, but not twice', () => {
  const config = { ExposedPorts: { '80/tcp': {}, '443': {} } };
  expect(requests({ '80/tcp': [{ HostPort: '1' }] }, { PublishAllPorts: true }, config)).toEqual([
    { protocol: 'tcp', containerPort: 80, hostAddress: '', first: 1, last: 1 },
    { protocol: 'tcp', containerPort: 443, hostAddress: '', first: 0, last: 0 },
  ]);
  expect(requests({}, {}, config)).toEqual([]);
});

test.each([
  ['[::1]', '::1'],
  ['0:0:0:0:0:0:0:0', '::'],
  ['2001:DB8::0:1', '2001:db8::1'],
  ['::ffff:127.0.0.1', '127.0.0.1'],
])('the address %s is %s', (HostIp, hostAddress) => {
  expect(requests({ '80/tcp': [{ HostIp, HostPort: '1' }] })[0]).toMatchObject({ hostAddress });
});

test('a range of exposed ports is every port in it', () => {
  const ports = (text: string) => exposedPorts({ ExposedPorts: { [text]: {} } });
  expect(ports('80-82/udp').map(({ containerPort, protocol }) => `${containerPort}/${protocol}`)).toEqual([
    '80/udp',
    '81/udp',
    '82/udp',
  ]);
  for (const wrong of ['foo', '', '0', '82-80', '80/xxx']) expect(() => ports(wrong)).toThrow('invalid p');
});

test.each([
  [{ 'x/tcp': [] }, 'invalid port specification: "x"'],
  [{ '0/tcp': [] }, 'invalid port specification: "0"'],
  [{ '80/xxx': [] }, 'invalid proto: xxx'],
  [{ '80/tcp': [{ HostPort: '99999' }] }, 'invalid port specification: "99999"'],
  [{ '80/tcp': [{ HostPort: '9-5' }] }, 'invalid port specification: "9-5"'],
  [{ '80/tcp': [{ HostIp: 'zz' }] }, 'invalid IP address: zz'],
  [{ '80/tcp': [{ HostIp: 'fe80::1%lo' }] }, 'invalid IP address: fe80::1%lo'],
])('%j is refused: %s', (bindings, reason) => {
  expect(() => requests(bindings)).toThrow(reason);
});
