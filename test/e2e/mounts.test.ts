import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();
let count = 0;
let here = '';

beforeEach(() => {
  here = join(engine.directory, `mount-${++count}`);
  mkdirSync(here);
  writeFileSync(join(here, 'file'), 'from the host\n');
});

const sh = (script: string, ...flags: string[]): Promise<string> =>
  engine.docker.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

describe('bind', () => {
  test('both sides see what the other writes', async () => {
    expect(await sh('cat /data/file; echo inside > /data/new', '-v', `${here}:/data`)).toBe('from the host');
    expect(readFileSync(join(here, 'new'), 'utf8')).toBe('inside\n');
  });

  test('read-only refuses, and a single file can be bound', async () => {
    expect(await sh('echo x 2>&1 > /data/file || cat /data/file', '-v', `${here}:/data:ro`)).toMatch(
      /Read-only file system\nfrom the host$/,
    );
    expect(await sh('cat /etc/one', '-v', `${join(here, 'file')}:/etc/one`)).toBe('from the host');
  });

  test('-v makes what is missing on the host, --mount does not', async () => {
    await sh('echo made > /data/x', '-v', `${here}/absent:/data`);
    expect(readFileSync(join(here, 'absent/x'), 'utf8')).toBe('made\n');
    expect(
      await engine.docker.fails('run', '--rm', '--mount', `type=bind,src=${here}/none,dst=/data`, 'busybox', 'true'),
    ).toMatch(/bind source path does not exist: .*\/none/);
    expect(existsSync(join(here, 'none'))).toBe(false);
  });

  test('propagation: a later mount of the host appears only with rshared or rslave', async () => {
    mkdirSync(join(here, 'sub'));
    execFileSync('mount', ['--bind', here, here]);
    execFileSync('mount', ['--make-shared', here]);
    try {
      for (const propagation of ['rslave', 'rprivate']) {
        await engine.docker.ok(
          'run',
          '-d',
          '--name',
          propagation,
          '-v',
          `${here}:/data:${propagation}`,
          'busybox',
          'sleep',
          '300',
        );
      }
      execFileSync('mount', ['-t', 'tmpfs', 'later', join(here, 'sub')]);
      const seen = (name: string): Promise<string> =>
        engine.docker.ok('exec', name, 'sh', '-c', 'grep -c "/data/sub" /proc/self/mountinfo || true');
      expect([await seen('rslave'), await seen('rprivate')]).toEqual(['1', '0']);
    } finally {
      await engine.docker.run(['rm', '-f', 'rslave', 'rprivate']);
      execFileSync('umount', ['--recursive', '--lazy', here]);
    }
  });

  test('a target that is a link in the image cannot lead out', async () => {
    await engine.docker.ok('run', '--name', 'maker', 'busybox', 'ln', '-s', '../../../../../../../../../etc', '/way');
    await engine.docker.ok('commit', 'maker', 'made:links');
    try {
      expect(
        await engine.docker.ok('run', '--rm', '-v', `${here}:/way/inner`, 'made:links', 'cat', '/etc/inner/file'),
      ).toBe('from the host');
      expect(existsSync('/etc/inner')).toBe(false);
    } finally {
      await engine.docker.ok('rm', 'maker');
      await engine.docker.ok('rmi', 'made:links');
    }
  });

  test('a propagation that the mount of the host cannot take part in is refused', async () => {
    execFileSync('mount', ['--bind', here, here]);
    try {
      execFileSync('mount', ['--make-private', here]);
      const run = (propagation: string): Promise<string> =>
        engine.docker.fails('run', '--rm', '-v', `${here}:/data:${propagation}`, 'busybox', 'true');
      expect(await run('shared')).toContain(`path ${here} is mounted on ${here} but it is not a shared mount`);
      expect(await run('rslave')).toContain(`path ${here} is mounted on ${here} but it is not a shared or slave mount`);
    } finally {
      execFileSync('umount', [here]);
    }
  });

  test('read-only reaches as deep as asked for, and bind-recursive decides what is seen', async () => {
    mkdirSync(join(here, 'sub'));
    execFileSync('mount', ['-t', 'tmpfs', 'below', join(here, 'sub')]);
    writeFileSync(join(here, 'sub/below'), 'x');
    const attempt = (options: string): Promise<string> =>
      sh('ls /d/sub; touch /d/x 2>/dev/null || echo ro; touch /d/sub/y 2>/dev/null || echo below-ro; rm -f /d/x /d/sub/y',
        '--mount', `type=bind,src=${here},dst=/d${options}`); // prettier-ignore
    try {
      expect(await attempt('')).toBe('below');
      expect(await attempt(',readonly')).toBe('below\nro\nbelow-ro');
      expect(await attempt(',readonly,bind-recursive=writable')).toBe('below\nro');
      expect(await attempt(',readonly,bind-recursive=readonly,bind-propagation=rprivate')).toBe('below\nro\nbelow-ro');
      expect(await attempt(',bind-recursive=disabled')).toBe('');
      expect(await sh('touch /d/sub/y 2>/dev/null || echo below-ro', '-v', `${here}:/d:ro,Z`)).toBe('below-ro');
    } finally {
      execFileSync('umount', [join(here, 'sub')]);
    }
  });

  test('one mount inside of another is made after it, whatever the order', async () => {
    mkdirSync(join(here, 'inner'));
    writeFileSync(join(here, 'inner/deep'), 'x');
    const flags = ['-v', `${here}/inner:/d/in`, '-v', `${here}:/d`];
    expect(await sh('ls /d/in', ...flags)).toBe('deep');
    await engine.docker.ok('create', '--name', 'nested', ...flags, 'busybox');
    expect(await engine.docker.ok('cp', 'nested:/d/in', '-')).toContain('deep');
  });

  test('a source below a file is refused in words', async () => {
    expect(await engine.docker.fails('run', '--rm', '-v', `${here}/file/x:/d`, 'busybox')).toMatch(
      /error while creating mount source path '.*\/file\/x': mkdir .*\/file\/x: not a directory/,
    );
  });

  test('a source that cannot be made in /proc is refused in words, and nobody waits for it', async () => {
    expect(await engine.docker.fails('run', '--rm', '-v', '/proc/nowhere/at/all:/d', 'busybox')).toContain(
      "error while creating mount source path '/proc/nowhere/at/all': mkdir /proc/nowhere/at/all: no such file or directory",
    );
  });

  test('a directory does not go onto a file, and nothing goes onto /proc', async () => {
    const run = (target: string): Promise<string> =>
      engine.docker.fails('run', '--rm', '-v', `${here}:${target}`, 'busybox', 'true');
    expect(await run('/etc/passwd')).toContain('Are you trying to mount a directory onto a file (or vice-versa)?');
    for (const target of ['/proc', '/proc/sys', '/etc/../proc']) expect(await run(target)).toContain('proc-safety');
  });

  test('options that contradict each other are refused', async () => {
    for (const mode of ['ro,rw', 'shared,slave', 'ro,ro']) {
      expect(await engine.docker.fails('run', '--rm', '-v', `${here}:/data:${mode}`, 'busybox', 'true')).toContain(
        `invalid mode: ${mode}`,
      );
    }
    expect(await engine.docker.fails('run', '--rm', '-v', `${here}:/data:nocopy`, 'busybox', 'true')).toContain(
      'field VolumeOptions must not be specified',
    );
  });

  test('a relative path and a double target are refused', async () => {
    expect(await engine.docker.fails('run', '--rm', '-v', `${here}:relative`, 'busybox', 'true')).toMatch(
      /mount path must be absolute|invalid mount path/,
    );
    expect(await engine.docker.fails('run', '--rm', '-v', `${here}:/a`, '-v', '/var:/a', 'busybox', 'true')).toMatch(
      /Duplicate mount point: \/a/,
    );
  });
});

describe('volumes', () => {
  afterEach(async () => {
    await engine.docker.run(['rm', '-f', 'first']);
    await engine.docker.run(['volume', 'rm', '-f', 'named']);
  });

  test('a named one outlives its containers', async () => {
    await sh('echo kept > /data/x', '-v', 'named:/data');
    expect(await sh('cat /data/x', '-v', 'named:/data')).toBe('kept');
    expect(await engine.docker.ok('volume', 'ls', '-q')).toContain('named');
    await engine.docker.ok('volume', 'rm', 'named');
    expect(await engine.docker.ok('volume', 'ls', '-q')).not.toContain('named');
  });

  test('a fresh one gets what the image has there, owners included', async () => {
    expect(await sh('ls /nothing | wc -l; stat -c %a /nothing', '-v', 'named:/nothing')).toBe('0\n755');
    await engine.docker.ok('volume', 'rm', 'named');
    expect(await sh('cat /etc/passwd | head -1', '-v', 'named:/etc')).toBe('root:x:0:0:root:/root:/bin/sh');
    expect(await sh('ls /data', '--mount', 'type=volume,src=named,dst=/data')).toContain('passwd');
    expect(await sh('stat -c %a /tmp', '-v', '/tmp')).toBe('1777');
  });

  test('a fresh one also gets what is behind a link in the image', async () => {
    await engine.docker.ok('run', '--name', 'first', 'busybox', 'ln', '-s', '/etc', '/way');
    await engine.docker.ok('commit', 'first', 'made:links');
    try {
      const list = ['run', '--rm', '-v', 'named:/way', 'made:links', 'ls', '/way/passwd'];
      expect(await engine.docker.ok(...list)).toBe('/way/passwd');
    } finally {
      await engine.docker.ok('rm', 'first');
      await engine.docker.ok('rmi', 'made:links');
    }
  });

  test('one in use cannot be removed', async () => {
    await engine.docker.ok('create', '--name', 'first', '-v', 'named:/data', 'busybox', 'true');
    expect(await engine.docker.fails('volume', 'rm', 'named')).toMatch(/volume is in use/);
  });

  test('an anonymous one goes with --rm and with rm -v, and only then', async () => {
    const volumes = async (): Promise<string[]> => (await engine.docker.ok('volume', 'ls', '-q')).split('\n').sort();
    const before = await volumes();
    await sh('echo x > /data/x', '-v', '/data');
    expect(await volumes()).toEqual(before);
    await engine.docker.ok('run', '--name', 'first', '-v', '/data', 'busybox', 'true');
    const name = await engine.docker.ok('inspect', '-f', '{{(index .Mounts 0).Name}}', 'first');
    expect(name).toMatch(/^[0-9a-f]{64}$/);
    expect(await volumes()).toContain(name);
    await engine.docker.ok('rm', '-v', 'first');
    expect(await volumes()).toEqual(before);
  });

  test('--volumes-from shares them all', async () => {
    await engine.docker.ok(
      'run',
      '--name',
      'first',
      '-v',
      'named:/a',
      '-v',
      `${here}:/b:ro`,
      'busybox',
      'sh',
      '-c',
      'echo x > /a/x',
    );
    expect(await sh('cat /a/x /b/file; echo y 2>/dev/null > /b/y || echo ro', '--volumes-from', 'first')).toBe(
      'x\nfrom the host\nro',
    );
    expect(await sh('echo y 2>/dev/null > /a/y || echo ro', '--volumes-from', 'first:ro')).toBe('ro');
    // A 404 would have the CLI pull the image.
    const absent = await engine.docker.fails('run', '--rm', '--volumes-from', 'nobody', 'busybox', 'true');
    expect(absent).toContain('No such container: nobody');
    expect(absent).not.toContain('Unable to find image');
  });
});

describe('root and tmpfs', () => {
  test('--read-only refuses everywhere but where something else is mounted', async () => {
    const script =
      'echo x 2>/dev/null > /x || echo root-ro; echo y > /tmp/y; cat /tmp/y; echo z > /dev/shm/z && echo shm';
    expect(await sh(script, '--read-only', '--tmpfs', '/tmp')).toBe('root-ro\ny\nshm');
    const files = 'for f in hosts hostname resolv.conf; do touch /etc/$f 2>/dev/null || echo ro; done';
    expect(await sh(files, '--read-only')).toBe('ro\nro\nro');
    expect(await sh(files)).toBe('');
  });

  test('--tmpfs takes options, and is empty again at the next start', async () => {
    expect(
      await sh('df -k /t | tail -1; stat -c %a /t; grep " /t " /proc/mounts', '--tmpfs', '/t:size=4m,mode=1770,noexec'),
    ).toMatch(/tmpfs +4096[\s\S]*\n1770\ntmpfs \/t tmpfs \S*noexec/);
    expect(await sh('stat -c %a /t; grep " /t " /proc/mounts', '--mount', 'type=tmpfs,dst=/t,tmpfs-size=1m')).toMatch(
      /^1777\ntmpfs/,
    );
    expect(await sh('stat -c "%a %u %g" /t', '--tmpfs', '/t:uid=5,gid=6,mode=700')).toBe('700 5 6');
    expect(await engine.docker.fails('run', '--rm', '--tmpfs', '/t:bogus', 'busybox')).toMatch(
      /invalid tmpfs option "bogus"/,
    );
  });

  test('--tmpfs covers what the image has there, and takes its mode', async () => {
    const modes = await sh('stat -c %a /tmp /etc');
    expect(await sh('stat -c %a /tmp /etc; ls /etc', '--tmpfs', '/tmp', '--tmpfs', '/etc')).toBe(
      `${modes}\nhostname\nhosts\nresolv.conf`,
    );
    expect(await sh('stat -c %a /tmp; touch /tmp/x 2>/dev/null || echo ro', '--tmpfs', '/tmp:ro')).toBe('1777\nro');
  });

  test("the host's mounts are not to be seen", async () => {
    const seen = (await sh('cut -d" " -f2 /proc/mounts')).split('\n');
    for (const mount of seen) expect(mount).toMatch(/^\/($|proc|dev|sys|etc\/(resolv\.conf|hostname|hosts))/);
    expect(seen[0]).toBe('/');
  });
});
