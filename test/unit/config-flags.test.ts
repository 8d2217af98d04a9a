import { parseFlags } from '../../daemon/config/flags.js';
import { readInvocation } from '../../daemon/config/invocation.js';

const given = (...argv: string[]) => parseFlags(argv).given;

describe('the command line', () => {
  test.each([[['--data-root', '/a']], [['--data-root=/a']]])(
    'takes a value after a space or an equals sign: %j',
    (argv) => {
      expect(given(...argv)).toEqual({ dataRoot: '/a' });
    },
  );

  test.each([
    [['-H', 'unix:///a.sock']],
    [['-Hunix:///a.sock']],
    [['-H=unix:///a.sock']],
    [['--host', 'unix:///a.sock']],
  ])('takes a short flag: %j', (argv) => {
    expect(given(...argv)).toEqual({ hosts: ['unix:///a.sock'] });
  });

  test('collects repeated flags', () => {
    expect(given('-H', 'fd://', '-H', 'tcp://127.0.0.1:2375', '--label=a=1', '--label=b=2')).toEqual({
      hosts: ['fd://', 'tcp://127.0.0.1:2375'],
      labels: ['a=1', 'b=2'],
    });
  });

  test('takes switches alone, with a value, and several in one argument', () => {
    expect(given('--debug')).toEqual({ debug: true });
    expect(given('--debug=false')).toEqual({ debug: false });
    expect(given('-Dlwarn')).toEqual({ debug: true, logLevel: 'warn' });
    expect(given('-D', '--ip-masq=0')).toEqual({ debug: true, ipMasquerade: false });
  });

  test('reads what there is about registries', () => {
    const flags = ['--registry-mirror=https://Mirror.example', '--insecure-registry=r:5000', '--http-proxy=proxy:3128'];
    expect(given(...flags, '--insecure-registry=10.0.0.0/8', '--max-download-attempts=2')).toEqual({
      registryMirrors: ['https://mirror.example/'],
      insecureRegistries: ['r:5000', '10.0.0.0/8'],
      httpProxy: 'http://proxy:3128/',
      maxDownloadAttempts: 2,
    });
  });

  test('reads limits, runtimes, sizes and log options', () => {
    expect(
      given(
        '--default-ulimit=nofile=1024:2048',
        '--default-ulimit=core=-1',
        '--add-runtime=crun=/usr/bin/crun',
        '--default-shm-size=1.5g',
        '--log-opt=max-size=10m',
      ),
    ).toEqual({
      defaultUlimits: {
        nofile: { Name: 'nofile', Soft: 1024, Hard: 2048 },
        core: { Name: 'core', Soft: -1, Hard: -1 },
      },
      runtimes: { crun: { path: '/usr/bin/crun', runtimeArgs: [] } },
      defaultShmSize: 1.5 * 1024 ** 3,
      logOpts: { 'max-size': '10m' },
    });
  });

  test.each([
    [['--foo'], 'unknown flag: --foo'],
    [['--dataroot', '/a'], 'unknown flag: --dataroot, did you mean --data-root?'],
    [['-x'], "unknown shorthand flag: 'x' in -x"],
    [['-Dx'], "unknown shorthand flag: 'x' in -Dx"],
    [['--group'], 'flag needs an argument: --group'],
    [['-H'], 'flag needs an argument: -H, --host'],
    [['run'], 'gantryd accepts no arguments, got "run"'],
    [['--'], 'gantryd accepts no arguments, got "--"'],
    [['--debug=maybe'], 'invalid argument "maybe" for "--debug" flag: expected true or false'],
    [['--mtu=abc'], 'invalid argument "abc" for "--mtu" flag: expected a whole number'],
    [['--mtu=67'], 'must be between 68 and 65535'],
    [['-lfoo'], 'invalid argument "foo" for "-l, --log-level" flag: invalid logging level: foo'],
    [['-Hfoo://x'], "invalid bind address (foo://x): unsupported proto 'foo'"],
    [['-Hunix://relative'], "the socket's path must be absolute"],
    [[`-Hunix:///${'a'.repeat(107)}`], 'at most 107 bytes'],
    [['-Htcp://h:99999'], 'port 99999 is out of range'],
    [['--default-ulimit=nofile=10:5'], 'soft limit must be less than or equal to hard limit: 10 > 5'],
    [['--default-ulimit=nofile=-1:5'], 'soft limit must be less than or equal to hard limit'],
    [['--default-ulimit=foo=1'], 'invalid ulimit type: foo'],
    [['--default-ulimit=nofile=a'], 'expected name=soft[:hard]'],
    [['--default-shm-size=1x'], "invalid size: '1x'"],
    [['--add-runtime=x'], 'invalid runtime argument: x'],
    [['--add-runtime=gantry=/x'], "runtime name 'gantry' is reserved"],
    [['--add-runtime=x=relative'], 'the path must be absolute'],
    [['--label=x'], 'bad attribute format: x'],
    [['--dns=x'], 'not an IP address: x'],
    [['--bip=1'], 'invalid CIDR address: 1'],
    [['--bip=10.0.0.0/24'], "the network's own or its broadcast address"],
    [['--bridge=waytoolongforlinux'], "invalid interface name 'waytoolongforlinux'"],
    [['--cgroup-parent=/a/../..'], "must not contain '..'"],
    [['--cgroup-parent=/'], 'containers cannot live in the root cgroup'],
    [['--log-driver=syslog'], "logging driver 'syslog' is not supported"],
    [['--storage-driver=btrfs'], "storage driver 'btrfs' is not supported"],
    [['--exec-opt=native.cgroupdriver=systemd'], 'native.cgroupdriver=systemd is not supported'],
    [['--live-restore=false'], 'live-restore cannot be turned off'],
    [['--registry-mirror=ftp://x'], 'invalid mirror: unsupported scheme "ftp" in "ftp://x"'],
    [['--registry-mirror=https://x/path'], 'invalid mirror: path, query, or fragment at end of the URI'],
    [['--registry-mirror=https://a:b@x'], 'invalid mirror: username/password not allowed in URI'],
    [['--insecure-registry=http://x'], "insecure registry http://x should not contain '://'"],
    [['--insecure-registry=10.0.0.0/33'], 'invalid CIDR address: 10.0.0.0/33'],
    [['--insecure-registry=a b'], 'insecure registry "a b" is not valid'],
    [['--max-concurrent-downloads=0'], 'must be between 1 and 1000'],
    [['--https-proxy=socks5://x'], 'invalid proxy URL: socks5 is not supported'],
    [['--default-address-pool=base=10.0.0.0/8,size=7'], 'the size of the pool 10.0.0.0/8 must be 8 to 30'],
    [['--fixed-cidr=10.0.0.1/24'], 'invalid IPv4 subnet'],
    [['--bip6=fd00::/64'], 'invalid IPv6 address of a bridge'],
    [['--containerd=/x'], '--containerd is not supported: Gantry runs containers itself'],
    [['--ip-forward-no-drop'], '--ip-forward-no-drop is not supported'],
  ])('refuses %j', (argv, message) => {
    expect(() => parseFlags(argv)).toThrow(message);
  });

  test('ends with 125, and says where help is, for what it cannot understand', () => {
    expect(readInvocation(['--foo'], '1.2.3')).toEqual({
      kind: 'exit',
      exitCode: 125,
      stdout: '',
      stderr: "unknown flag: --foo\nSee 'gantryd --help'.\n",
    });
  });

  test.each(['--version', '-v'])('prints its version for %s', (flag) => {
    expect(readInvocation([flag], '1.2.3')).toMatchObject({ exitCode: 0, stdout: 'Gantry version 1.2.3\n' });
  });

  test('prints every flag, with its default, for --help', () => {
    const help = readInvocation(['--help', '--version'], '1.2.3');
    expect(help).toMatchObject({ kind: 'exit', exitCode: 0 });
    if (help.kind !== 'exit') return;
    expect(help.stdout).toMatch(/-H, --host address .*\n.*default \[unix:\/\/\/var\/run\/gantry\.sock\]/);
    expect(help.stdout).toMatch(/--shutdown-timeout int .*\n?.*default 15/);
    expect(help.stdout).toContain('"nftables-table"');
    expect(help.stdout).toContain('--validate');
    for (const line of help.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });
});
