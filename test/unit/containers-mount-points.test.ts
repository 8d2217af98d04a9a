import { requestedMounts } from '../../daemon/containers/mount-points.js';

const mounts = (hostConfig: object, config: object = {}): ReturnType<typeof requestedMounts> =>
  requestedMounts(config, hostConfig);

describe('mounts of a container', () => {
  test.each([
    ['/a:/b', { type: 'bind', source: '/a', destination: '/b', readWrite: true, propagation: 'rprivate' }],
    ['/a:/b:ro', { type: 'bind', readWrite: false, recursiveReadOnly: true }],
    ['/a:/b:ro,rshared', { readWrite: false, propagation: 'rshared' }],
    ['/a/../c:/b/', { source: '/c', destination: '/b' }],
    ['data:/b', { type: 'volume', name: 'data', source: '', destination: '/b' }],
    ['data:/b:ro', { type: 'volume', readWrite: false }],
  ])('-v %s', (bind, expected) => {
    expect(mounts({ Binds: [bind] })).toEqual([expect.objectContaining(expected)]);
  });

  test.each([
    ['/a', "invalid volume specification: '/a'"],
    ['/a:b', 'mount path must be absolute'],
    ['/a:/', "destination can't be '/'"],
    ['/a:/b:rw:x', 'invalid volume specification'],
    ['/a:/b:wr', 'invalid mode: wr'],
    ['da ta:/b', 'includes invalid characters'],
    ['data:/b:rshared', 'a volume has no propagation'],
  ])('-v %s is refused', (bind, message) => {
    expect(() => mounts({ Binds: [bind] })).toThrow(message);
  });

  test('two mounts at one place are refused', () => {
    expect(() => mounts({ Binds: ['/a:/x', '/b:/x/'] })).toThrow('Duplicate mount point: /x');
    expect(() => mounts({ Binds: ['/a:/x'], Tmpfs: { '/x': '' } })).toThrow('Duplicate mount point: /x');
  });

  test('a volume of the image gives way to what the user mounts there', () => {
    const config = { Volumes: { '/data': {}, '/cache': {} } };
    expect(mounts({ Binds: ['/a:/data'] }, config)).toEqual([
      expect.objectContaining({ type: 'bind', destination: '/data' }),
      expect.objectContaining({ type: 'volume', name: '', destination: '/cache' }),
    ]);
  });

  test('--mount type=tmpfs carries its size and mode', () => {
    const mount = { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1024, Mode: 0o700 } };
    expect(mounts({ Mounts: [mount] })).toEqual([
      expect.objectContaining({ type: 'tmpfs', data: 'size=1024,mode=700' }),
    ]);
  });

  test.each([
    [{ Type: 'bind', Target: '/b' }, 'field Source must not be empty'],
    [{ Type: 'bind', Source: 'a', Target: '/b' }, 'mount path must be absolute'],
    [{ Type: 'tmpfs', Source: 'a', Target: '/b' }, 'field Source must not be specified'],
    [{ Type: 'bind', Source: '/a', Target: '/b', VolumeOptions: {} }, 'field VolumeOptions must not be specified'],
    [
      { Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { Subpath: 'x' } },
      'VolumeOptions.Subpath is not supported',
    ],
    [{ Type: 'npipe', Source: 'v', Target: '/b' }, 'mount type unknown or not supported'],
  ])('--mount %j is refused', (mount, message) => {
    expect(() => mounts({ Mounts: [mount] })).toThrow(message);
  });
});
