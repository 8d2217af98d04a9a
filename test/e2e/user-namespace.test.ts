import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import { bothApis, useBuildDirectory } from '../support/build-context.js';
import { DaemonProcess } from '../support/daemon-process.js';
import { DockerCli } from '../support/docker-cli.js';
import { eventually } from '../support/eventually.js';
import { ask, HOST, Listening } from '../support/network-peers.js';
import { readAll } from '../support/raw-http.js';
import { useEngine } from '../support/test-engine.js';

/** An /etc of the daemon's own, so that the accounts of the host stay as they are. */
const etc = mkdtempSync(join(process.env['GANTRY_TEST_ROOT'] ?? '/var/tmp', 'gantry-etc-'));
for (const directory of ['upper', 'work']) mkdirSync(join(etc, directory));
const runner = [
  'unshare',
  '--mount',
  'sh',
  '-c',
  `mount -t overlay -o lowerdir=/etc,upperdir=${etc}/upper,workdir=${etc}/work etc /etc && exec "$@"`,
  'sh',
];
const inEtc = (...command: string[]): string =>
  execFileSync(runner[0]!, [...runner.slice(1), ...command], { encoding: 'utf8' });
inEtc('sh', '-c', 'grep -q ^gtremap: /etc/passwd || useradd -r -U -M gtremap');
// Two ranges for users, so that more than the first is used; they begin at other places than those of groups.
inEtc('sh', '-c', 'printf "gtremap:300000:1000\\ngtremap:500000:64536\\n" > /etc/subuid');
inEtc('sh', '-c', 'printf "gtremap:400000:65536\\n" > /etc/subgid');

const crun = ['/usr/bin/crun', '/usr/local/bin/crun'].find((path) => statSync(path, { throwIfNoEntry: false }));
// crun refuses hosts that have controllers in both versions of cgroups; on those it is not shown the second one.
const wrapper = join(etc, 'crun');
const hide = 'umount -l /sys/fs/cgroup/unified 2>/dev/null; exec "$0" --cgroup-manager=cgroupfs "$@"';
writeFileSync(wrapper, `#!/bin/sh\nexec unshare --mount sh -c '${hide}' ${crun} "$@"\n`, { mode: 0o755 });

const engine = useEngine(['--userns-remap', 'gtremap', ...(crun ? ['--add-runtime', `crun=${wrapper}`] : [])], {
  directory: '300000.400000',
  runner,
});
afterAll(() => rmSync(etc, { recursive: true, force: true }));

const sh = (script: string, ...flags: string[]): Promise<string> =>
  engine.docker.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
const inBox = (script: string, ...flags: string[]): Promise<string> =>
  engine.docker.ok('exec', ...flags, 'box', 'sh', '-c', script);
/** A container that has run the script, and stays. */
async function startBox(script: string, ...flags: string[]): Promise<void> {
  await engine.docker.ok('run', '-d', '--name', 'box', ...flags, 'busybox', 'sh', '-c', `${script}; exec sleep 300`);
  await inBox('until grep -q sleep /proc/1/comm; do sleep 0.01; done');
}
const owners = (path: string): string => `${statSync(path).uid}:${statSync(path).gid}`;
const inspect = (name: string, format: string): Promise<string> => engine.docker.ok('inspect', '-f', format, name);
const userMap = '0 300000 1000,1000 500000 64536';
const script = {
  map: "tr -s ' ' < /proc/self/uid_map | sed 's/^ //' | paste -s -d ,",
};

test('info and inspect tell', async () => {
  expect(await engine.docker.ok('info', '-f', '{{json .SecurityOptions}} {{.DockerRootDir}}')).toMatch(
    /"name=userns".* .*\/data\/300000\.400000$/,
  );
  expect(statSync(engine.daemon!.dataRoot).mode & 0o777).toBe(0o710);
  await engine.docker.ok('create', '--name', 'mapped', 'busybox');
  await engine.docker.ok('create', '--name', 'host', '--userns', 'host', 'busybox');
  expect(await inspect('mapped', '[{{.HostConfig.UsernsMode}}]')).toBe('[]');
  expect(await inspect('host', '[{{.HostConfig.UsernsMode}}]')).toBe('[host]');
});

test('root inside is somebody else outside, and owns everything it should', async () => {
  const paths =
    '/ /bin/busybox /.dockerenv /etc/mtab /etc/hosts /etc/hostname /etc/resolv.conf /dev /dev/null /dev/shm';
  const all = `${paths} /dev/pts /dev/mqueue /proc/1 /volume /tmpfs`;
  const flags = ['-v', '/volume', '--tmpfs', '/tmpfs', '--device', '/dev/null:/dev/mine'];
  expect(await sh(`${script.map}; stat -c '%u:%g %n' ${all} /dev/mine | grep -v '^0:0 ' || true`, ...flags)).toBe(
    userMap,
  );
  await startBox('touch /made; touch /theirs; chown 1001:7 /theirs');
  const upper = join(engine.daemon!.dataRoot, 'containers', await inspect('box', '{{.Id}}'), 'upper');
  expect([owners(join(upper, 'made')), owners(join(upper, 'theirs'))]).toEqual(['300000:400000', '500001:400007']);
  expect(readFileSync(`/proc/${await inspect('box', '{{.State.Pid}}')}/status`, 'utf8')).toMatch(/^Uid:\t300000\t/m);
  expect(await engine.docker.ok('diff', 'box')).toBe('A /made\nA /theirs');
});

test('what Docker refuses is refused in its words, and --userns=host allows it', async () => {
  const refused = (...flags: string[]): Promise<string> =>
    engine.docker.fails('run', '--rm', ...flags, 'busybox', 'true');
  expect(await refused('--privileged')).toContain('privileged mode is incompatible with user namespaces.');
  expect(await refused('--network', 'host')).toContain(
    "cannot share the host's network namespace when user namespaces are enabled",
  );
  expect(await refused('--pid', 'host')).toContain(
    'cannot share the host PID namespace when user namespaces are enabled',
  );
  expect(await sh(script.map, '--ipc', 'host')).toBe(userMap);
  expect(await sh('id -u', '--uts', 'host')).toBe('0');
  const host = ['--userns', 'host', '--privileged', '--network', 'host', '--pid', 'host'];
  expect(await sh(script.map, ...host)).toBe('0 0 4294967295');
});

test('--userns=host sees the layers, what it wrote and volumes as its own', async () => {
  const stat = 'stat -c %u:%g / /bin/busybox /etc/passwd /etc/hosts /volume /volume/mapped';
  await sh('touch /volume/mapped; chown 1001:5 /volume/mapped', '-v', 'shared:/volume');
  await startBox(
    `${stat} > /result; touch /made /volume/host; chown 1001:7 /made`,
    '--userns',
    'host',
    '-v',
    'shared:/volume',
  );
  expect(await inBox('cat /result; stat -c %u:%g /result /made')).toBe('0:0\n0:0\n0:0\n0:0\n0:0\n1001:5\n0:0\n1001:7');
  expect(await inBox(script.map, '--privileged')).toBe('0 0 4294967295');
  // On the disk all is as for any other container.
  const upper = join(engine.daemon!.dataRoot, 'containers', await inspect('box', '{{.Id}}'), 'upper');
  expect(owners(join(upper, 'made'))).toBe('500001:400007');
  expect(await sh('stat -c %u:%g /volume/host', '-v', 'shared:/volume')).toBe('0:0');
  await engine.docker.ok('rm', '-f', 'box');
  await engine.docker.ok('volume', 'rm', 'shared');
});

test('--userns=host sees images as its own, and what a volume has on a device as it is', async () => {
  await engine.docker.ok(
    'run',
    '--name',
    'maker',
    'busybox',
    'sh',
    '-c',
    'mkdir /device; touch /device/f; chown 7:8 /device/f',
  );
  await engine.docker.ok('commit', 'maker', 'layered');
  const device = join(engine.directory, 'device');
  mkdirSync(device);
  await engine.docker.ok('volume', 'create', '-o', 'type=none', '-o', `device=${device}`, '-o', 'o=bind', 'device');
  const image = 'type=image,src=layered';
  const flags = ['--mount', `${image},dst=/image`, '--mount', `${image},dst=/part,image-subpath=device/f`];
  flags.push('-v', 'device:/device', '--name', 'box');
  const stat = ['stat', '-c', '%u:%g', '/image/bin/busybox', '/image/device/f', '/part', '/device/f'];
  expect(await engine.docker.ok('run', '--userns', 'host', ...flags, 'layered', ...stat)).toBe('0:0\n7:8\n7:8\n7:8');
  expect(owners(join(device, 'f'))).toBe('7:8');
  for (const path of ['/image/device/f', '/part', '/device/f']) {
    const { body } = await engine.client.send('GET', `/containers/box/archive?path=${path}`);
    expect(body.toString('latin1', 108, 116)).toMatch(/^0*7[ \0]/); // the user in the first header
  }
  await engine.docker.ok('rm', 'box');
  chownSync(join(device, 'f'), 300007, 400008);
  expect(await engine.docker.ok('run', ...flags, 'layered', ...stat)).toBe('0:0\n7:8\n7:8\n7:8');
  await engine.docker.ok('rm', 'box', 'maker');
  await engine.docker.ok('rmi', 'layered');
  await engine.docker.ok('volume', 'rm', 'device');
});

describe('files in and out', () => {
  interface Entry {
    name: string;
    owner: string;
  }
  async function entries(archive: Buffer): Promise<Entry[]> {
    const listing = execFileSync('tar', ['--numeric-owner', '-tvf', '-'], { input: archive, encoding: 'utf8' });
    return listing
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/))
      .map(([, owner = '', , , , name = '']) => ({ name, owner }));
  }
  const get = async (path: string): Promise<Buffer> => (await engine.client.send('GET', path)).body;
  async function put(name: string, path: string, query = ''): Promise<void> {
    const archive = pack();
    archive.entry({ name: 'put', uid: 1001, gid: 7 }, 'x');
    archive.finalize();
    const answer = await engine.client.send(
      'PUT',
      `/containers/${name}/archive?path=${path}${query}`,
      await readAll(archive as unknown as AsyncIterable<Buffer>),
    );
    expect([answer.status, answer.body.toString()]).toEqual([200, '']);
  }

  test.each([
    ['running', []],
    ['running with the ids of the host', ['--userns', 'host']],
  ])('of a container that is %s', async (_, flags) => {
    const bind = mkdtempSync(join(engine.directory, 'bind-'));
    chownSync(bind, 0, 0);
    await startBox('mkdir /d; touch /d/f; chown 1001:7 /d/f', '-v', `${bind}:/bind`, '-v', '/volume', ...flags);
    const check = async (): Promise<void> => {
      expect((await entries(await get('/containers/box/archive?path=/d'))).slice(0, 2)).toEqual([
        { name: 'd/', owner: '0/0' },
        { name: 'd/f', owner: '1001/7' },
      ]);
      for (const directory of ['/d', '/volume']) await put('box', directory);
    };
    await check();
    const seen = 'stat -c %u:%g /d/put /volume/put';
    expect(await inBox(seen)).toBe('1001:7\n1001:7');
    await engine.docker.ok('stop', '-t', '0', 'box');
    await check();
    // What is the host's has its ids for a container with those, and no others.
    await put('box', '/bind');
    expect(owners(join(bind, 'put'))).toBe(flags.length > 0 ? '1001:7' : '500001:400007');
    const exported = await entries(await get('/containers/box/export'));
    expect(new Set(exported.map(({ owner }) => owner))).toEqual(new Set(['0/0', '1001/7']));
    await engine.docker.ok('start', 'box');
    expect(await inBox(seen)).toBe('1001:7\n1001:7');
    rmSync(bind, { recursive: true });
  });

  test('--archive and the user of the container', async () => {
    await startBox('mkdir -m 777 /open', '--user', 'daemon');
    await engine.docker.ok('exec', '-u', '0', 'box', 'mkdir', '-m', '777', '/open');
    await put('box', '/open', '&copyUIDGID=true');
    expect(await inBox('stat -c %u:%g /open/put')).toBe('1:1');
  });

  test('the digest of what is committed does not depend on the mapping', async () => {
    const make =
      'mkdir /d; touch -d @1000 /d/f; chown 1001:7 /d/f; touch -d @1000 /d; rm /etc/group; touch -d @1000 /etc /';
    const layers: string[] = [];
    const plain = new DaemonProcess();
    const docker = new DockerCli(plain.host, () => '');
    try {
      await plain.start();
      execFileSync('docker', ['-H', plain.host, 'load'], {
        input: execFileSync('docker', ['-H', engine.host, 'save', 'busybox'], { maxBuffer: 1 << 28 }),
      });
      for (const cli of [docker, engine.docker]) {
        await cli.ok('run', '--name', 'source', 'busybox', 'sh', '-c', make);
        await cli.ok('commit', 'source', 'made');
        layers.push(await cli.ok('image', 'inspect', '-f', '{{json .RootFS.Layers}}', 'made', 'busybox'));
      }
    } finally {
      docker.dispose();
      await plain.dispose();
    }
    expect(layers[0]).toBe(layers[1]);
    expect(await engine.docker.ok('run', '--rm', 'made', 'stat', '-c', '%u:%g', '/d', '/d/f')).toBe('0:0\n1001:7');
    await engine.docker.ok('rm', 'source');
    await engine.docker.ok('rmi', 'made');
  });

  test('an import, and an id that is not mapped', async () => {
    const layer = async (uid: number): Promise<Buffer> => {
      const archive = pack();
      archive.entry({ name: 'file', uid, gid: 3 }, 'x');
      archive.finalize();
      return readAll(archive as unknown as AsyncIterable<Buffer>);
    };
    const load = async (uid: number): Promise<string> =>
      (await engine.client.send('POST', '/images/create?fromSrc=-&repo=imported', await layer(uid))).body.toString();
    expect(await load(70_000)).toContain('70000 is not mapped in the user namespace');
    expect(await load(1234)).toContain('sha256:');
    const id = await engine.docker.ok('create', 'imported', 'none');
    expect(await entries(await get(`/containers/${id}/archive?path=/file`))).toEqual([
      { name: 'file', owner: '1234/3' },
    ]);
    await engine.docker.ok('rm', id);
    await engine.docker.ok('rmi', 'imported');
  });

  test('a volume takes what the image has at its place', async () => {
    await engine.docker.ok(
      'run',
      '--name',
      'source',
      'busybox',
      'sh',
      '-c',
      'mkdir /data; touch /data/f; chown 1001:7 /data /data/f',
    );
    await engine.docker.ok('commit', 'source', 'made');
    const stat = ['stat', '-c', '%u:%g', '/data', '/data/f'];
    for (const userns of [[], ['--userns', 'host']]) {
      expect(await engine.docker.ok('run', '--rm', '-v', '/data', ...userns, 'made', ...stat)).toBe('1001:7\n1001:7');
    }
    await engine.docker.ok('rm', 'source');
    await engine.docker.ok('rmi', 'made');
  });

  test('a directory that -v makes belongs to root of the container', async () => {
    const path = join(engine.directory, 'made/by/v');
    expect(await sh('stat -c %u:%g /v; touch /v/f', '-v', `${path}:/v`)).toBe('0:0');
    expect([owners(join(engine.directory, 'made')), owners(join(path, 'f'))]).toEqual([
      '300000:400000',
      '300000:400000',
    ]);
    // What was there before stays the host's.
    writeFileSync(join(path, 'host'), '');
    expect(await sh('stat -c %u:%g /v/host', '-v', `${path}:/v`)).toBe('65534:65534');
  });
});

describe('processes', () => {
  test('exec, with another user, a terminal and privileges', async () => {
    await startBox('true', '--group-add', '29', '--security-opt', 'systempaths=unconfined');
    expect(await inBox(script.map)).toBe(userMap);
    expect(await inBox('id -u; id -g; id -G', '-u', 'operator')).toBe('37\n37\n37 29 50');
    expect(await inBox('id -G', '-u', '1234:5')).toBe('5 29');
    expect(await inBox('echo out > /dev/stdout', '-u', 'daemon')).toBe('out');
    expect(await inBox('ip link set lo mtu 1400 && cat /sys/class/net/lo/mtu', '--privileged')).toBe('1400');
    // All the privileges inside are none outside.
    expect(
      await engine.docker.fails('exec', '--privileged', 'box', 'sh', '-c', 'echo 1 > /proc/sys/vm/drop_caches'),
    ).toContain('ermission denied');
    const terminal = engine.docker.session('exec', '-t', 'box', 'sh', '-c', 'stat -c %u $(tty)');
    expect(await terminal.exitCode()).toBe(0);
    expect(terminal.stdout.trim()).toBe('0');
  });

  test('users, standard streams, a read-only root, --init, sysctls and limits', async () => {
    expect(await sh('id -u; echo out > /dev/stdout', '-u', 'daemon')).toBe('1\nout');
    expect(await sh('touch /x 2>&1 || id -u', '--read-only')).toBe('touch: /x: Read-only file system\n0');
    expect(await sh('cat /proc/1/comm; stat -c %u /proc/1', '--init')).toBe('docker-init\n0');
    const sysctl = ['--sysctl', 'net.ipv4.ip_forward=1', '--sysctl', 'net.ipv4.ping_group_range=0 100'];
    expect(await sh('cat /proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ping_group_range', ...sysctl)).toBe(
      '1\n0\t100',
    );
    expect(
      await sh('ulimit -n; cat /proc/self/oom_score_adj', '--ulimit', 'nofile=99:101', '--oom-score-adj', '7'),
    ).toBe('99\n7');
    expect(await sh('readlink /proc/self/ns/cgroup; ls /sys/fs/cgroup > /dev/null', '--cgroupns', 'private')).toMatch(
      /^cgroup:/,
    );
  });

  test('health checks run inside', async () => {
    const health = [
      '--health-cmd',
      'test "$(id -u)" = 0 && grep -q 300000 /proc/self/uid_map',
      '--health-interval',
      '100ms',
    ];
    await startBox('true', ...health);
    await eventually(
      () => inspect('box', '{{.State.Health.Status}}'),
      (status) => status === 'healthy',
    );
  });

  test('a container has rights over its network: on the bridge, and without one', async () => {
    expect(await sh('ip link set lo mtu 1400 && cat /sys/class/net/lo/mtu', '--cap-add', 'NET_ADMIN')).toBe('1400');
    const alone = ['--network', 'none', '--cap-add', 'NET_ADMIN'];
    expect(await sh('ip link set lo mtu 1400 && ls /sys/class/net', ...alone)).toBe('lo');
    await startBox('(nc -ll -p 80 -e echo hello &)');
    const address = await inspect('box', '{{.NetworkSettings.IPAddress}}');
    await startBoxIsReady(address);
    expect(await sh(`ping -c 1 -W 5 ${address} > /dev/null && nc ${address} 80`)).toBe('hello');
  });

  const startBoxIsReady = (address: string): Promise<unknown> =>
    eventually(
      () => inBox('netstat -ltn'),
      (listening) => address !== '' && listening.includes(':80 '),
    );

  test('networks are connected while it runs, and ports are published', async () => {
    await engine.docker.ok('network', 'create', '--subnet', '10.99.77.0/24', 'further');
    await startBox('true', '-p', '127.0.0.1::80');
    await engine.docker.ok('network', 'connect', 'further', 'box');
    expect(await inBox('ip -o -4 addr show eth1')).toContain('inet 10.99.77.2/24');
    const port = Number((await engine.docker.ok('port', 'box', '80/tcp')).split(':').at(-1));
    const namespace = `/proc/${await inspect('box', '{{.State.Pid}}')}/ns/net`;
    const server = await Listening.start(namespace, 'tcp', 80);
    try {
      expect(await ask(HOST, 'tcp', '127.0.0.1', port)).toMatch(/^10\./);
    } finally {
      await server.stop();
    }
  });

  test('containers share namespaces with the user namespace that they belong to', async () => {
    await startBox('true', '--ipc', 'shareable');
    const own = 'for kind in user net pid ipc; do readlink /proc/self/ns/$kind; done';
    const [user, network, pid, ipc] = (await inBox(own)).split('\n');
    const shared = async (...flags: string[]): Promise<string[]> => (await sh(own, ...flags)).split('\n');
    expect(await shared()).not.toContain(user);
    expect((await shared('--network', 'container:box')).slice(0, 2)).toEqual([user, network]);
    const byProcesses = await shared('--pid', 'container:box');
    expect(byProcesses[0]).toBe(user);
    expect(byProcesses[1]).not.toBe(network);
    expect(byProcesses[2]).toBe(pid);
    expect((await shared('--ipc', 'container:box'))[3]).toBe(ipc);
    const all = ['--network', 'container:box', '--pid', 'container:box', '--ipc', 'container:box'];
    expect(await shared(...all)).toEqual([user, network, pid, ipc]);
    expect(await sh('ps -o args; kill -0 1 && stat -c %u:%g /dev/shm', ...all)).toMatch(/sleep 300[^]*\n0:0$/);
    const withAdmin = ['--network', 'container:box', '--cap-add', 'NET_ADMIN'];
    expect(await sh('ip link set lo mtu 1300; cat /sys/class/net/lo/mtu', ...withAdmin)).toBe('1300');
    expect(await sh('stat -c %u /etc/hosts', '--network', 'container:box')).toBe('0');
  });

  test('namespaces of different user namespaces cannot be had at once', async () => {
    await startBox('true');
    await engine.docker.ok('run', '-d', '--name', 'second', 'busybox', 'sleep', '300');
    await engine.docker.ok('run', '-d', '--name', 'host', '--userns', 'host', 'busybox', 'sleep', '300');
    const refused = (...flags: string[]): Promise<string> =>
      engine.docker.fails('run', '--rm', ...flags, 'busybox', 'true');
    expect(await refused('--network', 'container:box', '--pid', 'container:second')).toContain(
      'each has a user namespace of its own',
    );
    expect(await refused('--network', 'container:host')).toContain('use --userns=host here, too');
    expect(await sh('id -u', '--userns', 'host', '--network', 'container:box')).toBe('0');
  });

  (crun ? test : test.skip)('another OCI runtime does the same', async () => {
    await startBox('touch /made', '--runtime', 'crun', '-v', '/volume');
    expect(await inBox(`${script.map}; stat -c %u:%g / /made /volume /etc/hosts | sort -u`)).toBe(`${userMap}\n0:0`);
    expect(
      await sh(
        'id -u; ip link set lo mtu 1400 && cat /sys/class/net/lo/mtu',
        '--runtime',
        'crun',
        '--cap-add',
        'NET_ADMIN',
      ),
    ).toBe('0\n1400');
    // It would give them to root of the container.
    expect([owners('/dev/null'), owners('/dev/zero')]).toEqual(['0:0', '0:0']);
    expect(await sh('stat -c %u:%g / /bin/busybox', '--runtime', 'crun', '--userns', 'host')).toBe('0:0\n0:0');
    expect(await sh('readlink /proc/self/ns/user', '--runtime', 'crun', '--network', 'container:box')).toBe(
      await inBox('readlink /proc/self/ns/user'),
    );
  });
});

test('containers run on while the daemon is away, and are found again', async () => {
  await startBox('touch /made');
  const pid = await inspect('box', '{{.State.Pid}}');
  await engine.daemon!.kill();
  await engine.daemon!.start();
  expect(await inspect('box', '{{.State.Running}} {{.State.Pid}}')).toBe(`true ${pid}`);
  expect(await inBox(`${script.map}; stat -c %u /made`)).toBe(`${userMap}\n0`);
  expect(await sh('id -u', '--network', 'container:box')).toBe('0');
});

describe('what the daemon says at its start', () => {
  const log = (daemon: DaemonProcess): string => daemon.logTail(60);
  async function failure(setting: string): Promise<string> {
    const daemon = new DaemonProcess(['--userns-remap', setting], { directory: '', runner });
    try {
      await expect(daemon.start()).rejects.toThrow('gantryd did not start');
      return log(daemon);
    } finally {
      // It says that the daemon has ended, which is the point.
      await daemon.dispose().catch(() => undefined);
    }
  }

  test('a user, a group or ranges are missing', async () => {
    expect(await failure('nosuchuser')).toContain('there is no user nosuchuser');
    expect(await failure('gtremap:nosuchgroup')).toContain('there is no group nosuchgroup');
    expect(await failure('nobody:nogroup')).toContain('nobody has no range in /etc/subuid: add a line like');
  });

  test('default makes its user and ranges', async () => {
    inEtc('sh', '-c', 'cp /etc/subuid /etc/subuid.kept; cp /etc/subgid /etc/subgid.kept');
    // Beyond the ranges that were there.
    const daemon = new DaemonProcess(['--userns-remap', 'default'], { directory: '564536.465536', runner });
    const docker = new DockerCli(daemon.host, () => log(daemon));
    try {
      await daemon.start();
      expect(await docker.ok('info', '-f', '{{.DockerRootDir}}')).toBe(daemon.dataRoot);
      expect(inEtc('cat', '/etc/subuid')).toContain('dockremap:564536:65536');
      expect(inEtc('id', '-un', 'dockremap').trim()).toBe('dockremap');
    } finally {
      docker.dispose();
      await daemon.dispose();
      inEtc('sh', '-c', 'mv /etc/subuid.kept /etc/subuid; mv /etc/subgid.kept /etc/subgid');
    }
  });
});

describe.each(bothApis)('builds (%s)', (_, variables) => {
  const directory = useBuildDirectory(engine, variables);

  test('steps run in the map, and images do not depend on it', async () => {
    directory.write({ file: 'text\n' });
    await directory.build([
      'FROM busybox AS layered',
      'RUN mkdir /tree && echo 1 > /tree/a && chown operator:staff /tree/a',
      'RUN echo 2 > /tree/b',
      'FROM busybox',
      'RUN id -u > /who && cat /proc/self/uid_map > /map && chown operator /who',
      'COPY --chown=operator:staff file /copied',
      'COPY file /root-owned',
      'ADD --chown=7 file /added',
      'RUN --mount=type=cache,target=/cache touch /cache/x && stat -c %u /cache > /owners',
      'RUN --mount=from=layered,source=/tree,target=/m stat -c %u:%g /m /m/a /m/b >> /owners',
      'RUN --mount=from=layered,source=/tree,target=/m,rw rm /m/a && touch /m/c && stat -c %u:%g /m /m/b /m/c >> /owners',
      'RUN --mount=target=/m,rw echo more >> /m/file && touch /m/new && stat -c %u:%g /m/file /m/new >> /owners',
      'USER operator',
      'WORKDIR /home/operator',
    ]);
    const shown = await directory.run('sh', '-c', 'cat /who; grep -c 300000 /map; stat -c %u:%g /who /copied /root-owned /added /home/operator; cat /owners'); // prettier-ignore
    expect(shown.split('\n')).toEqual([
      ...['0', '1'],
      ...['37:0', '37:50', '0:0', '7:7', '0:0'],
      '0',
      ...['0:0', '37:50', '0:0'],
      ...['0:0', '0:0', '0:0'],
      ...['0:0', '0:0'],
    ]);
    await engine.docker.ok('rmi', 'built');
    await engine.docker.okWith({ env: variables }, 'builder', 'prune', '--all', '--force');
  });
});
