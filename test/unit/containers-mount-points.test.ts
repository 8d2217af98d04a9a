import { Container, type ContainerMount, type HostConfig } from '../../daemon/containers/container.js';
import { requestedMounts } from '../../daemon/containers/mount-points.js';
import { hostConfigOfVersion } from '../../daemon/containers/mount-versions.js';
import { createdState } from '../../daemon/containers/state.js';
import { mountsFrom } from '../../daemon/containers/volumes-from.js';
import { ApiVersion } from '../../daemon/http/version.js';

const mounts = (hostConfig: object, config: object = {}): ReturnType<typeof requestedMounts> =>
  requestedMounts(config, hostConfig);

describe('-v', () => {
  test.each([
    ['/a:/b', { type: 'bind', source: '/a', destination: '/b', readWrite: true, propagation: 'rprivate' }],
    ['/a:/b:', { type: 'bind', source: '/a', destination: '/b', mode: '' }],
    ['/a:/b:ro', { type: 'bind', readWrite: false, recursiveReadOnly: true, mode: 'ro' }],
    ['/a:/b:ro,rshared,Z,cached', { readWrite: false, propagation: 'rshared' }],
    ['/a/../c/:/b/', { source: '/c', destination: '/b' }],
    ['data:/b', { type: 'volume', name: 'data', source: '', destination: '/b', mode: 'z', copyUp: true }],
    ['data:/b:ro', { type: 'volume', readWrite: false, recursiveReadOnly: true, mode: 'ro' }],
    ['data:/b:nocopy', { type: 'volume', copyUp: false }],
    ['/b', { type: 'volume', name: '', destination: '/b', mode: 'z' }],
  ])('%s', (bind, expected) => {
    expect(mounts({ Binds: [bind] })).toEqual([expect.objectContaining(expected)]);
  });

  test.each([
    ['', "invalid volume specification: ''"],
    [':/b', "invalid volume specification: ':/b'"],
    ['/a:', "invalid volume specification: '/a:'"],
    ['/a:b', `invalid mount config for type "bind": invalid mount path: 'b' mount path must be absolute`],
    ['data:b', `invalid mount config for type "volume": invalid mount path: 'b' mount path must be absolute`],
    ['/a:/', "destination can't be '/'"],
    ['/a:/b:rw:x', 'invalid volume specification'],
    ['/a:/b:wr', 'invalid mode: wr'],
    ['/a:/b:ro,rw', 'invalid mode: ro,rw'],
    ['/a:/b:z,Z', 'invalid mode: z,Z'],
    ['/a:/b:shared,slave', 'invalid mode: shared,slave'],
    ['/a:/b:nocopy', 'field VolumeOptions must not be specified'],
    ['data:/b:rshared', 'field BindOptions must not be specified'],
  ])('%s is refused', (bind, message) => {
    expect(() => mounts({ Binds: [bind] })).toThrow(message);
  });
});

describe('all mounts of a container', () => {
  test('two at one place are refused, whatever they are', () => {
    const duplicate = 'Duplicate mount point: /x';
    expect(() => mounts({ Binds: ['/a:/x', '/b:/x/'] })).toThrow(duplicate);
    expect(() => mounts({ Binds: ['/a:/x'], Tmpfs: { '/x/': '' } })).toThrow(duplicate);
    expect(() => mounts({ Binds: ['/a:/x'], Mounts: [{ Type: 'volume', Target: '/x' }] })).toThrow(duplicate);
  });

  test('a volume of the image gives way to what the user mounts there', () => {
    const config = { Volumes: { '/data': {}, '/cache': {}, '/cache/': {}, '/tmp': {} } };
    expect(mounts({ Binds: ['/a:/data'], Tmpfs: { '/tmp': '' }, VolumeDriver: 'local' }, config)).toEqual([
      expect.objectContaining({ type: 'bind', destination: '/data' }),
      expect.objectContaining({
        type: 'volume',
        name: '',
        destination: '/cache',
        mode: '',
        volume: { driver: 'local' },
      }),
    ]);
    expect(mounts({}, { Volumes: { b: {} } })).toEqual([expect.objectContaining({ destination: '/b' })]);
    expect(() => mounts({}, { Volumes: { '/': {} } })).toThrow("destination can't be '/'");
  });

  test('inherited ones give way to those asked for, and hide the volumes of the image', () => {
    const inherited = mounts({ Binds: ['one:/one', 'two:/two', 'three:/three'] });
    const config = { Volumes: { '/three': {} } };
    expect(
      requestedMounts(config, { Binds: ['/a:/one'], Tmpfs: { '/two': '' } }, inherited).map(
        ({ name, source, destination }) => [destination, name || source],
      ),
    ).toEqual([
      ['/one', '/a'],
      ['/three', 'three'],
    ]);
  });

  test('for an older client read-only does not reach below a bind mount', () => {
    const asked = {
      Binds: ['/a:/a:ro', 'data:/d:ro'],
      Mounts: [{ Type: 'bind', Source: '/b', Target: '/b', ReadOnly: true }],
    };
    expect(
      requestedMounts({}, asked as HostConfig, [], false).map(({ readWrite, recursiveReadOnly }) => [
        readWrite,
        recursiveReadOnly,
      ]),
    ).toEqual([
      [false, false],
      [false, true],
      [false, false],
    ]);
  });

  test.each(['nonsense', 'size', 'exec=1', 'remount'])('--tmpfs with %s is refused', (option) => {
    expect(() => mounts({ Tmpfs: { '/t': `mode=700,${option}` } })).toThrow(`invalid tmpfs option "${option}"`);
  });
});

describe('--mount', () => {
  test.each([
    [
      { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1024, Mode: 0o700, Options: [['exec']] } },
      { type: 'tmpfs', data: 'size=1024,mode=700,exec' },
    ],
    [
      { Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } },
      { readWrite: false, recursiveReadOnly: false, nonRecursive: false },
    ],
    [
      { Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true, BindOptions: { ReadOnlyForceRecursive: true } },
      { recursiveReadOnly: true },
    ],
    [{ Type: 'bind', Source: '/a', Target: '/b', BindOptions: { NonRecursive: true } }, { nonRecursive: true }],
    [
      { Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { Subpath: 'x/./y/', NoCopy: false } },
      { type: 'volume', name: 'v', subpath: 'x/y', copyUp: true },
    ],
    [
      { Type: 'volume', Target: '/b', VolumeOptions: { Labels: { a: 'b' }, DriverConfig: { Options: { o: 'x' } } } },
      { name: '', copyUp: true, volume: { driver: undefined, labels: { a: 'b' }, options: { o: 'x' } } },
    ],
    [
      { Type: 'image', Source: 'busybox', Target: '/i', ImageOptions: { Subpath: 'etc' } },
      { type: 'image', name: 'busybox', readWrite: false, subpath: 'etc' },
    ],
  ])('%j', (mount, expected) => {
    expect(mounts({ Mounts: [mount] })).toEqual([expect.objectContaining(expected)]);
  });

  test.each([
    [{ Type: 'bind', Target: '/b' }, 'field Source must not be empty'],
    [{ Type: 'bind', Source: '/a' }, 'field Target must not be empty'],
    [{ Type: 'bind', Source: 'a', Target: '/b' }, 'mount path must be absolute'],
    [{ Type: 'bind', Source: '/a', Target: '/b', BindOptions: { Propagation: 'x' } }, 'invalid propagation mode: x'],
    [
      { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { ReadOnlyForceRecursive: true } },
      'mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive',
    ],
    [
      {
        Type: 'bind',
        Source: '/a',
        Target: '/b',
        ReadOnly: true,
        BindOptions: { ReadOnlyForceRecursive: true, ReadOnlyNonRecursive: true },
      },
      'mount options conflict: ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive',
    ],
    [{ Type: 'tmpfs', Source: 'a', Target: '/b' }, 'field Source must not be specified'],
    [{ Type: 'tmpfs', Target: '/b', TmpfsOptions: { Options: [['uid', '5']] } }, 'invalid option: uid'],
    [{ Type: 'tmpfs', Target: '/b', TmpfsOptions: { SizeBytes: -1 } }, 'invalid size: -1'],
    [{ Type: 'bind', Source: '/a', Target: '/b', VolumeOptions: {} }, 'VolumeOptions must not be specified'],
    [{ Type: 'image', Source: 'a', Target: '/b', TmpfsOptions: {} }, 'TmpfsOptions must not be specified'],
    [{ Type: 'volume', Target: '/b', VolumeOptions: { Subpath: 'x' } }, 'must not set Subpath when using anonymous'],
    [
      { Type: 'volume', Source: 'v', Target: '/b', VolumeOptions: { Subpath: 'a/../../x' } },
      'subpath must be a relative',
    ],
    [{ Type: 'image', Source: 'v', Target: '/b', ImageOptions: { Subpath: '/x' } }, 'subpath must be a relative'],
    [{ Type: 'npipe', Source: 'v', Target: '/b' }, 'mount type unknown'],
    [{ Source: 'v', Target: '/b' }, 'invalid mount config for type "": mount type unknown'],
  ])('%j is refused', (mount, message) => {
    expect(() => mounts({ Mounts: [mount] })).toThrow(message);
  });
});

describe('--volumes-from', () => {
  const source = mounts({
    Binds: ['data:/a', '/b:/b:ro,rslave'],
    Mounts: [{ Type: 'bind', Source: '/c', Target: '/c', ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } }],
  });
  const container = new Container(
    { id: 'x', name: 'x', created: '', imageId: '', config: {}, hostConfig: {}, networks: {}, path: '', args: [],
      mounts: source }, createdState(),
  ); // prettier-ignore
  const from = (...specifications: string[]): ContainerMount[] =>
    mountsFrom(specifications, (name) => (name === 'x' ? container : undefined));
  const access = (list: ContainerMount[]): boolean[] => list.map(({ readWrite }) => readWrite);

  test('takes them as they are, or read-only as a whole', () => {
    expect(access(from('x'))).toEqual([true, false, false]);
    expect(access(from('x:'))).toEqual([true, false, false]);
    expect(access(from('x:rw,z'))).toEqual([true, false, false]);
    expect(access(from('x:ro,Z'))).toEqual([false, false, false]);
    expect(from('x:ro').map(({ recursiveReadOnly }) => recursiveReadOnly)).toEqual([true, true, false]);
    expect(from('x').map(({ mode, copyUp }) => [mode, copyUp])).toEqual(Array(3).fill(['', false]));
    // The later one wins.
    const twice = requestedMounts({}, {}, from('x:ro', 'x'));
    expect(access(twice)).toEqual([true, false, false]);
  });

  test.each([
    ['', 'cannot be an empty string'],
    ['y', 'No such container: y'],
    ['x:rshared', 'invalid mode: rshared'],
    ['x:nocopy', 'invalid mode: nocopy'],
    ['x:rw:z', 'invalid mode: rw:z'],
  ])('"%s" is refused', (specification, message) => {
    expect(() => from(specification)).toThrow(message);
  });
});

describe('by the version of the API', () => {
  const bind = { NonRecursive: true, CreateMountpoint: true, ReadOnlyNonRecursive: true };
  const of = (minor: number, mount: object): unknown =>
    hostConfigOfVersion({ Mounts: [{ Target: '/x', ...mount }] }, new ApiVersion(minor)).Mounts?.[0];

  test.each([
    [39, { ReadOnlyNonRecursive: true }],
    [40, { NonRecursive: true, ReadOnlyNonRecursive: true }],
    [42, bind],
    [51, bind],
  ])('1.%i knows of a bind mount %j', (minor, BindOptions) => {
    expect(of(minor, { Type: 'bind', BindOptions: bind })).toEqual({ Target: '/x', Type: 'bind', BindOptions });
  });

  test('what came later is another mount, and refused', () => {
    const image = { Type: 'image', Source: 'i' };
    expect(of(48, image)).toEqual({ Target: '/x', ...image });
    expect(() => of(47, image)).toThrow('Mount type "Image" needs API v1.48 or newer');
    const part = { Type: 'volume', VolumeOptions: { Subpath: 'x' } };
    expect(of(45, part)).toEqual({ Target: '/x', ...part });
    expect(() => of(44, part)).toThrow('VolumeOptions.Subpath needs API v1.45 or newer');
  });
});
