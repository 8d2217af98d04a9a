import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import { eventually } from '../support/eventually.js';
import { readAll } from '../support/raw-http.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();
const named = ['data', 'memory', 'host', 'absent', 'remote', 'kept', 'other'];

afterEach(async () => {
  const containers = (await engine.docker.ok('ps', '-aq')).split('\n').filter(Boolean);
  if (containers.length > 0) await engine.docker.ok('rm', '-fv', ...containers);
  await engine.docker.ok('volume', 'rm', '-f', ...named);
});

const docker = (...args: string[]): Promise<string> => engine.docker.ok(...args);
const fails = (...args: string[]): Promise<string> => engine.docker.fails(...args);
const sh = (script: string, ...flags: string[]): Promise<string> =>
  docker('run', '--rm', '--network', 'none', ...flags, 'busybox', 'sh', '-c', script);
const sleeper = (name: string, ...flags: string[]): Promise<string> =>
  docker('run', '-d', '--name', name, '--network', 'none', ...flags, 'busybox', 'sleep', '1000');
const volumes = async (...filters: string[]): Promise<string[]> => {
  const flags = filters.flatMap((filter) => ['--filter', filter]);
  return (await docker('volume', 'ls', '-q', ...flags)).split('\n').filter(Boolean).sort();
};
const mountpoint = (name: string): Promise<string> => docker('volume', 'inspect', '-f', '{{.Mountpoint}}', name);

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

async function send(method: string, path: string, body?: object): Promise<Answer> {
  const answer = await engine.client.send(method, path, body);
  const text = answer.body.toString();
  return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
}

describe('the API', () => {
  test('shows what was given, and returns an existing volume as it is', async () => {
    const asked = { Name: 'data', Labels: { a: 'b' }, DriverOpts: {} };
    const { status, body } = await send('POST', '/volumes/create', asked);
    expect(status).toBe(201);
    expect(body).toEqual({
      CreatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      Driver: 'local',
      Labels: { a: 'b' },
      Mountpoint: expect.stringMatching(/\/volumes\/data\/_data$/),
      Name: 'data',
      Options: {},
      Scope: 'local',
    });
    const other = { Name: 'data', Labels: { c: 'd' }, DriverOpts: { type: 'tmpfs', device: 'tmpfs' } };
    expect(await send('POST', '/volumes/create', other)).toEqual({ status: 201, body });
    expect(await send('GET', '/volumes/data')).toEqual({ status: 200, body });
    const bare = (await send('POST', '/volumes/create', { Name: 'other' })).body;
    expect([bare['Labels'], bare['Options']]).toEqual([null, null]);
  });

  test.each([
    [{ Name: 'other', Driver: 'nosuch' }, 404, /plugin "nosuch" not found/],
    [{ Name: 'other', DriverOpts: { foo: 'bar' } }, 400, /create other: invalid option: "foo"/],
    [{ Name: 'other', DriverOpts: { type: 'tmpfs' } }, 400, /missing required option: "device"/],
    [{ Name: 'other', DriverOpts: { size: '1m' } }, 400, /no quota support/],
    [{ Name: 'a' }, 400, /volume name is too short/],
    [{ Name: '../x' }, 400, /includes invalid characters/],
    [{ Name: 'x'.repeat(256) }, 400, /volume name is too long/],
    [{ Name: 'other', ClusterVolumeSpec: {} }, 503, /not a swarm manager/],
  ])('refuses %j', async (request, status, message) => {
    const answer = await send('POST', '/volumes/create', request);
    expect(answer).toEqual({ status, body: { message: expect.stringMatching(message) } });
    expect(await volumes('name=other')).toEqual([]);
  });

  test('updates no volume, for want of a swarm', async () => {
    expect((await send('PUT', '/volumes/data?version=1', { Spec: {} })).status).toBe(503);
  });

  test('filters by each of name, label, driver and dangling, and refuses others', async () => {
    await docker('volume', 'create', '--label', 'k=v', 'data');
    await docker('volume', 'create', 'other');
    await docker('create', '--name', 'user', '-v', 'data:/d', 'busybox');
    expect(await volumes('label=k')).toEqual(['data']);
    expect(await volumes('label=k=w')).toEqual([]);
    expect(await volumes('name=^da')).toEqual(['data']);
    expect(await volumes('driver=local', 'dangling=true')).toEqual(['other']);
    expect(await volumes('dangling=0')).toEqual(['data']);
    expect(await fails('volume', 'ls', '--filter', 'until=1h')).toMatch(/invalid filter 'until'/);
    expect(await fails('volume', 'prune', '-f', '--filter', 'name=x')).toMatch(/invalid filter 'name'/);
  });

  test('df counts users that run and users that do not, and prune leaves what they use', async () => {
    await sh('echo 123 > /d/x', '-v', 'data:/d');
    await docker('volume', 'create', '-d', 'local', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'memory');
    await docker('create', '--name', 'first', '-v', 'data:/d', '-v', '/anonymous', 'busybox');
    await sleeper('second', '-v', 'data:/d');
    const { body } = await send('GET', '/v1.51/system/df?type=volume');
    const usage = new Map((body['Volumes'] as { Name: string; UsageData: object }[]).map((v) => [v.Name, v.UsageData]));
    expect(usage.get('data')).toEqual({ Size: 4, RefCount: 2 });
    expect(usage.get('memory')).toEqual({ Size: -1, RefCount: 0 });
    await docker('rm', 'first'); // its anonymous volume stays behind
    expect(await docker('volume', 'prune', '-f')).toMatch(/^Deleted Volumes:\n[0-9a-f]{64}\n/);
    await docker('volume', 'prune', '-af');
    expect(await volumes()).toEqual(['data', 'memory']);
    await docker('rm', '-f', 'second');
    expect(await docker('volume', 'prune', '-af')).toMatch(/data\n\nTotal reclaimed space: 4B/);
  });

  test('events tell of each step', async () => {
    const since = Date.now();
    await docker('volume', 'create', 'data');
    const id = await docker('create', '--name', 'busy', '-v', 'data:/d:ro', 'busybox', 'true');
    await docker('start', '-a', 'busy');
    await docker('rm', 'busy');
    await docker('volume', 'rm', 'data');
    const lines = await engine.docker.eventsSince(since, 'type=volume', '{{json .}}');
    const seen = lines.map((line) => JSON.parse(line) as { Action: string; Actor: { Attributes: object } });
    expect(seen.map(({ Action, Actor }) => [Action, Actor.Attributes])).toEqual([
      ['create', { driver: 'local' }],
      ['mount', { driver: 'local', container: id, destination: '/d', propagation: '', 'read/write': 'false' }],
      ['unmount', { driver: 'local', container: id }],
      ['destroy', { driver: 'local' }],
    ]);
  });
});

describe('a volume with a device', () => {
  test('tmpfs is shared while somebody uses it, also across kill -9 of the daemon, and then gone', async () => {
    await docker('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m,uid=7', 'memory');
    const place = await mountpoint('memory');
    const mounted = (): boolean => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${place} `);
    await sleeper('first', '-v', 'memory:/m');
    await sleeper('second', '-v', 'memory:/n');
    await docker('exec', 'first', 'sh', '-c', 'echo shared > /m/x');
    expect(await docker('exec', 'second', 'sh', '-c', 'cat /n/x; stat -c %u /n; df -k /n | tail -1')).toMatch(
      /^shared\n7\ntmpfs +1024 /,
    );
    await docker('kill', 'first');
    await engine.daemon?.kill();
    await engine.daemon?.start();
    expect(await sh('cat /x/x', '-v', 'memory:/x')).toBe('shared');
    expect(mounted()).toBe(true);
    const pid = await docker('inspect', '-f', '{{.State.Pid}}', 'second');
    await engine.daemon?.kill();
    process.kill(Number(pid), 'SIGKILL');
    await engine.daemon?.start();
    await eventually(mounted, (is) => !is);
    expect(await sh('ls /x | wc -l', '-v', 'memory:/x')).toBe('0');
    expect(mounted()).toBe(false);
  });

  test('bind shows a directory of the host, read-only when asked, and does not remove it', async () => {
    const directory = join(engine.directory, 'bound');
    mkdirSync(directory);
    writeFileSync(join(directory, 'file'), 'of the host');
    await docker('volume', 'create', '-o', 'type=none', '-o', `device=${directory}`, '-o', 'o=bind,ro', 'host');
    expect(await sh('cat /d/file; touch /d/x 2>/dev/null || echo ro', '-v', 'host:/d')).toBe('of the hostro');
    await docker('create', '--name', 'stopped', '-v', 'host:/d', 'busybox');
    expect(await docker('cp', 'stopped:/d/file', '-')).toContain('of the host');
    await docker('rm', 'stopped');
    await docker('volume', 'rm', 'host');
    expect(readdirSync(directory)).toEqual(['file']);
  });

  test('what cannot be mounted fails the start, and leaves nothing', async () => {
    await docker('volume', 'create', '-o', 'type=none', '-o', 'device=/no/such', '-o', 'o=bind', 'absent');
    expect(await fails('run', '--rm', '-v', 'absent:/d', 'busybox')).toMatch(
      /error while mounting volume '.*\/absent\/_data': failed to mount local volume: mount \/no\/such:.*No such file/,
    );
    await docker('volume', 'create', '-o', 'type=nfs', '-o', 'device=:/x', '-o', 'o=addr=host.invalid', 'remote');
    expect(await fails('run', '--rm', '-v', 'remote:/d', 'busybox')).toMatch(
      /error resolving passed in network volume address: .*host\.invalid/,
    );
  });
});

describe('subpath', () => {
  const use = (subpath: string): string[] => ['--mount', `type=volume,src=data,dst=/d,volume-subpath=${subpath}`];

  test('is resolved inside of the volume', async () => {
    await sh(
      'mkdir -p /v/a/b; echo deep > /v/a/b/f; ln -s a/b /v/link; ln -s /etc /v/out; ln -s ../.. /v/up',
      '-v',
      'data:/v',
    );
    expect(await sh('cat /d/f', ...use('a/b'))).toBe('deep');
    expect(await sh('cat /d/f', ...use('link'))).toBe('deep');
    expect(await sh('cat /d', ...use('a/b/f'))).toBe('deep');
    expect(await fails('run', '--rm', ...use('absent/x'), 'busybox')).toMatch(
      /cannot access path .*\/data\/_data\/absent\/x: lstat .*: no such file or directory/,
    );
    for (const outside of ['out', 'up']) {
      expect(await fails('run', '--rm', ...use(outside), 'busybox')).toMatch(/escapes the base directory/);
    }
    expect(await fails('run', '--rm', ...use('../x'), 'busybox')).toMatch(/subpath must be a relative path/);
    await docker('create', '--name', 'stopped', ...use('a'), 'busybox');
    expect(await docker('cp', 'stopped:/d/b/f', '-')).toContain('deep');
  });
});

describe('copy-up', () => {
  /** What cap_net_admin+ep is on the disk. */
  const capability = '\x01\0\0\x02\0\x10' + '\0'.repeat(14);
  const attributes = ['SCHILY.xattr.user.color=blue', `SCHILY.xattr.security.capability=${capability}`];
  const withAttributes = (): Promise<Buffer> => {
    const archive = pack();
    const pax = Object.fromEntries(attributes.map((text) => text.split('=')));
    archive.entry({ name: 'capable', mode: 0o755, pax }, 'x');
    archive.finalize();
    return readAll(archive as unknown as AsyncIterable<Buffer>);
  };
  const archiveOf = (directory: string): string =>
    execFileSync('tar', ['--xattrs', '--xattrs-include=*', '-cf', '-', '-C', directory, '.'], { encoding: 'latin1' });

  test('happens when the container is made, once, and not with nocopy', async () => {
    await docker('create', '--name', 'first', '-v', 'data:/etc', 'busybox', 'rm', '-r', '/etc/passwd', '/etc/group');
    const place = await mountpoint('data');
    expect(readdirSync(place)).toContain('passwd');
    await docker('start', '-a', 'first');
    await docker('start', '-a', 'first').catch(() => '');
    expect(existsSync(join(place, 'passwd'))).toBe(false);
    expect(await sh('ls /etc/passwd 2>&1 | grep -c "No such"', '-v', 'other:/etc:nocopy')).toBe('1');
    expect(await fails('create', '-v', 'kept:/bin/busybox', 'busybox')).toMatch(/\/bin\/busybox is not directory/);
    expect(await docker('ps', '-aq', '--filter', 'volume=kept')).toBe('');
  });

  test('brings owners, modes, links and extended attributes along, into a part of a volume as well', async () => {
    const setup =
      'mkdir -m 2750 /full; cd /full; echo x > f; ln f g; ln -s f l; mkfifo -m 640 p; chown -h 7:8 . f l; chmod 6711 f';
    await docker('run', '--name', 'maker', 'busybox', 'sh', '-c', setup);
    await engine.client.send('PUT', '/containers/maker/archive?path=/full', await withAttributes());
    await docker('commit', 'maker', 'made:full');
    await docker('volume', 'create', 'data');
    const place = await mountpoint('data');
    const stat = 'cd /full; stat -c "%n %A %u:%g %h" . f g l p';
    try {
      const wanted = await docker('run', '--rm', 'made:full', 'sh', '-c', stat);
      expect(wanted).toMatch(/^\. drwxr-s--- 7:8 .*\nf -rws--s--x 7:8 2\n/);
      mkdirSync(join(place, 'a/b'), { recursive: true });
      symlinkSync('a/b', join(place, 'link'));
      const part = ['--mount', 'type=volume,src=data,dst=/full,volume-subpath=link'];
      await docker('create', '--name', 'part', ...part, 'made:full', 'sh', '-c', stat);
      expect(readdirSync(join(place, 'a/b')).sort()).toEqual(['capable', 'f', 'g', 'l', 'p']);
      for (const text of attributes) expect(archiveOf(join(place, 'a/b'))).toContain(text);
      expect(await docker('start', '-a', 'part')).toBe(wanted);
      expect(await docker('run', '--rm', '-v', 'other:/full', 'made:full', 'sh', '-c', stat)).toBe(wanted);
      for (const text of attributes) expect(archiveOf(await mountpoint('other'))).toContain(text);
      const bare = ['--mount', 'type=volume,src=data,dst=/full,volume-subpath=bare,volume-nocopy'];
      mkdirSync(join(place, 'bare'));
      expect(await docker('run', '--rm', ...bare, 'made:full', 'ls', '/full')).toBe('');
    } finally {
      await docker('rm', '-f', 'maker', 'part');
      await docker('rmi', 'made:full');
    }
  });

  test('containers made at once with one volume all find it filled', async () => {
    const made = await Promise.all(
      [1, 2, 3, 4].map((index) => {
        const HostConfig = { Binds: [index === 4 ? 'data:/d' : 'data:/bin'], NetworkMode: 'none' };
        return send('POST', `/containers/create?name=maker-${index}`, { Image: 'busybox', Cmd: ['true'], HostConfig });
      }),
    );
    expect(made.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    for (const index of [1, 2, 3]) await docker('start', '-a', `maker-${index}`);
    const own = await docker('run', '--rm', 'busybox', 'sh', '-c', 'ls /bin | wc -l');
    expect(readdirSync(await mountpoint('data'))).toHaveLength(Number(own));
  });

  test('brings what every container has there, so that it can be read-only at once', async () => {
    expect(await sh('ls /etc', '-v', 'data:/etc:ro')).toMatch(/hostname\nhosts\nmtab\npasswd\nresolv.conf/);
  });

  test('a link in the volume leads nowhere else', async () => {
    await docker('volume', 'create', 'data');
    const place = await mountpoint('data');
    symlinkSync(engine.directory, join(place, 'link'));
    await docker('create', '-v', 'data:/etc', 'busybox');
    expect(readdirSync(place)).toEqual(['link']);
  });
});

describe('image mounts', () => {
  test('show an image or a part of it, read-only, and keep it', async () => {
    await docker('run', '--name', 'maker', 'busybox', 'sh', '-c', 'mkdir /extra; echo more > /extra/f');
    await docker('commit', 'maker', 'made:two');
    await docker('rm', 'maker');
    const image = ['--mount', 'type=image,src=made:two,dst=/i'];
    const part = ['--mount', 'type=image,src=made:two,dst=/p,image-subpath=extra'];
    try {
      expect(await sh('cat /i/extra/f /p/f; ls /i/bin/sh; touch /p/x 2>/dev/null || echo ro', ...image, ...part)).toBe(
        'more\nmore\n/i/bin/sh\nro',
      );
      await docker('create', '--name', 'user', ...part, 'busybox');
      const [mount] = JSON.parse(await docker('inspect', '-f', '{{json .Mounts}}', 'user')) as object[];
      expect(mount).toMatchObject({ Type: 'image', Name: 'made:two', Destination: '/p', RW: false });
      expect(await docker('cp', 'user:/p/f', '-')).toContain('more');
      expect(await fails('rmi', 'made:two')).toMatch(/container [0-9a-f]+ is using|must force|conflict/);
      await docker('rm', 'user');
      expect(await fails('run', '--mount', 'type=image,src=made:two,dst=/p,image-subpath=no', 'busybox')).toMatch(
        /cannot access path made:two\/no: lstat .*: no such file or directory/,
      );
    } finally {
      await engine.docker.run(['rm', '-f', 'user']);
      await docker('rmi', '-f', 'made:two');
    }
  });
});

describe('the life of volumes', () => {
  test('rm -v and --rm take anonymous volumes only, and not those that others use', async () => {
    await docker('create', '--name', 'first', '-v', 'kept:/k', '-v', '/anonymous', 'busybox');
    const [anonymous = ''] = (await volumes()).filter((name) => name !== 'kept');
    await docker('create', '--name', 'second', '--volumes-from', 'first', 'busybox');
    await docker('rm', '-v', 'first');
    expect(await volumes()).toEqual([anonymous, 'kept'].sort());
    await docker('rm', '-v', 'second');
    expect(await volumes()).toEqual(['kept']);
    // Once it has been named it is somebody's.
    const name = (await send('POST', '/volumes/create', {})).body['Name'] as string;
    await sh('true', '-v', `${name}:/x`);
    expect(await volumes()).toEqual([name, 'kept'].sort());
    await docker('volume', 'rm', name);
  });

  test('commit, export and diff leave out what is in them', async () => {
    await sleeper('busy', '-v', 'data:/d');
    await docker('exec', 'busy', 'sh', '-c', 'echo volume > /d/inside; echo own > /own');
    expect(await docker('diff', 'busy')).not.toContain('inside');
    const archive = join(engine.directory, 'export.tar');
    await docker('export', '-o', archive, 'busy');
    const names = execFileSync('tar', ['tf', archive], { encoding: 'utf8' });
    expect(names).toContain('own');
    expect(names).not.toContain('inside');
    await docker('commit', 'busy', 'made:volumes');
    try {
      expect(await docker('run', '--rm', 'made:volumes', 'sh', '-c', 'cat /own; ls /d | wc -l')).toBe('own\n0');
    } finally {
      await docker('rmi', 'made:volumes');
    }
  });

  test('a volume removed and made again at once is a new one', async () => {
    await sh('for i in $(seq 500); do echo x > /d/$i; done', '-v', 'data:/d');
    const [, made] = await Promise.all([
      send('DELETE', '/volumes/data'),
      send('POST', '/volumes/create', { Name: 'data' }),
    ]);
    expect(made.status).toBe(201);
    await docker('volume', 'create', 'data');
    expect(await sh('echo new > /d/new; ls /d', '-v', 'data:/d')).toBe('new');
  });
});
