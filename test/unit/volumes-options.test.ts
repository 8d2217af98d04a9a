import { deviceOf, resolveDevice, validateOptions } from '../../daemon/volumes/options.js';

test.each([
  [{}, undefined],
  [{ type: '', device: '', o: '' }, undefined],
  [
    { type: 'tmpfs', device: 'tmpfs' },
    { type: 'tmpfs', device: 'tmpfs', options: [] },
  ],
  [
    { type: '', device: '/a', o: 'bind' },
    { type: '', device: '/a', options: ['bind'] },
  ],
  [
    { type: 'none', device: '/a', o: 'bind,ro' },
    { type: 'none', device: '/a', options: ['bind', 'ro'] },
  ],
])('%j', (options, device) => {
  validateOptions('v', options);
  expect(deviceOf(options)).toEqual(device);
});

test.each([
  [{ foo: 'bar' }, 'create v: invalid option: "foo"'],
  [{ size: '1m' }, 'create v: quota size requested but no quota support'],
  [{ type: 'tmpfs' }, 'create v: missing required option: "device"'],
  [{ device: '/a' }, 'create v: missing required option: "type"'],
  [{ o: 'bind' }, 'create v: missing required option: "device"'],
  [{ type: '', device: '/a' }, 'create v: missing required option: "type"'],
  [{ type: 'none', device: 'a', o: 'bind' }, 'the device of a bind must be an absolute path, not "a"'],
])('%j is refused', (options, message) => {
  expect(() => validateOptions('v', options)).toThrow(message);
});

describe('the address of a network file system', () => {
  const resolve = (host: string): Promise<string> =>
    host === 'server' ? Promise.resolve('192.0.2.1') : Promise.reject(new Error(`no host ${host}`));
  const resolved = async (type: string, o: string): Promise<string> =>
    (await resolveDevice(deviceOf({ type, device: ':/x', o })!, resolve)).options.join(',');

  test('takes the place of its name', async () => {
    expect(await resolved('nfs', 'vers=4,addr=server,rw')).toBe('vers=4,addr=192.0.2.1,rw');
    expect(await resolved('cifs', 'addr=server')).toBe('addr=192.0.2.1');
    expect(await resolved('nfs', 'addr=2001:db8::1')).toBe('addr=2001:db8::1');
    expect(await resolved('nfs', 'rw')).toBe('rw');
    expect(await resolved('tmpfs', 'addr=server')).toBe('addr=server');
  });

  test.each([
    ['//server/share/a', 'rw', '//192.0.2.1/share/a'],
    ['//server', '', '//192.0.2.1'],
    ['//198.51.100.7/share', '', '//198.51.100.7/share'],
    ['//absent/share', 'ip=192.0.2.2', '//absent/share'],
    ['//absent/share', 'addr=server', '//absent/share'],
  ])('of the share %s with "%s" stands in %s', async (device, o, resolved) => {
    const volume = deviceOf({ type: 'cifs', device, o })!;
    expect((await resolveDevice(volume, resolve)).device).toBe(resolved);
  });

  test('is missed by name', async () => {
    await expect(resolved('nfs4', 'addr=absent')).rejects.toThrow(
      'error resolving passed in network volume address: no host absent',
    );
  });
});
