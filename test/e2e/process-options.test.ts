import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

/** Runs a shell script in a container with these flags and answers what it said. */
const sh = (script: string, ...flags: string[]): Promise<string> =>
  engine.docker.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

/** What the topmost layer of an image in an archive holds. */
function layerEntries(archive: string): string[] {
  const tar = (...args: string[]): Buffer => execFileSync('tar', ['-xOf', archive, ...args]);
  const [manifest] = JSON.parse(tar('manifest.json').toString()) as [{ Layers: string[] }];
  const entries = execFileSync('tar', ['-tf', '-'], { input: tar(manifest.Layers.at(-1)!) }).toString();
  return entries.split('\n').filter(Boolean).sort();
}

const groups = async (...flags: string[]): Promise<string[]> => (await sh('id -G', ...flags)).split(' ').sort();

describe('user', () => {
  test('root by default, with its home', async () => {
    expect(await sh('id -u; id -g; echo $HOME')).toBe('0\n0\n/root');
  });

  test('a name brings its group, groups and home', async () => {
    expect(await sh('id -u; id -g; echo $HOME', '--user', 'operator')).toBe('37\n37\n/var');
    expect(await groups('--user', 'operator')).toEqual(['29', '37', '50']);
  });

  test('numbers need not exist; a group can be named', async () => {
    expect(await sh('id -u; id -g; echo $HOME', '-u', '4321')).toBe('4321\n0\n/');
    expect(await sh('id -u; id -g', '-u', '4321:audio')).toBe('4321\n29');
  });

  test('--group-add takes names and numbers', async () => {
    expect(await groups('-u', '4321:4321', '--group-add', 'audio', '--group-add', '777')).toEqual([
      '29',
      '4321',
      '777',
    ]);
  });

  test('names that do not exist are refused', async () => {
    expect(await engine.docker.fails('run', '--rm', '-u', 'ghost', 'busybox', 'true')).toMatch(
      /unable to find user ghost/,
    );
    expect(await engine.docker.fails('run', '--rm', '-u', 'root:ghosts', 'busybox', 'true')).toMatch(
      /unable to find group ghosts/,
    );
  });

  test('another user cannot write where it may not', async () => {
    expect((await engine.docker.run(['run', '--rm', '-u', '1000', 'busybox', 'touch', '/etc/x'])).stderr).toMatch(
      /Permission denied/,
    );
  });
});

describe('resource limits', () => {
  const limits = 'ulimit -Sn; ulimit -Hn';

  test('are those that were asked for, for root and for another user', async () => {
    expect(await sh(limits, '--ulimit', 'nofile=99:101')).toBe('99\n101');
    expect(await sh(limits, '--ulimit', 'nofile=99:101', '-u', '1000')).toBe('99\n101');
    // Fewer than the preparations of the process take.
    expect(await sh('ulimit -n', '--ulimit', 'nofile=4', '-u', '1000')).toBe('4');
  });

  test('are those of the container for an exec of another user', async () => {
    await engine.docker.ok('run', '-d', '--name', 'limited', '--ulimit', 'nofile=99:101', 'busybox', 'sleep', '300');
    expect(await engine.docker.ok('exec', '-u', '1000', 'limited', 'sh', '-c', limits)).toBe('99\n101');
  });
});

describe('capabilities', () => {
  const effective = (...flags: string[]): Promise<string> => sh("awk '/CapEff/{print $2}' /proc/self/status", ...flags);

  test("are Docker's fourteen", async () => {
    expect(await effective()).toBe('00000000a80425fb');
  });

  test('can be dropped and added, one by one and all', async () => {
    expect(await effective('--cap-drop', 'ALL')).toBe('0000000000000000');
    expect(await effective('--cap-drop', 'ALL', '--cap-add', 'NET_BIND_SERVICE')).toBe('0000000000000400');
    expect(await effective('--cap-drop', 'CHOWN')).toBe('00000000a80425fa');
    expect(await effective('--cap-add', 'SYS_ADMIN')).toBe('00000000a82425fb');
    expect(await effective('--cap-add', 'ALL')).toBe(await effective('--privileged'));
  });

  test('are none for another user, but stay in the bounding set', async () => {
    expect(await sh("awk '/CapEff|CapBnd/{print $2}' /proc/self/status", '-u', '1000')).toBe(
      '0000000000000000\n00000000a80425fb',
    );
  });

  test('one that does not exist is refused', async () => {
    expect(await engine.docker.fails('run', '--rm', '--cap-add', 'FLY', 'busybox', 'true')).toMatch(
      /invalid CapAdd: unknown capability: "(CAP_)?FLY"/,
    );
  });
});

describe('security', () => {
  const seccompMode = (...flags: string[]): Promise<string> =>
    sh("awk '/^Seccomp:/{print $2}' /proc/self/status", ...flags);

  test('system calls are filtered by default, not when unconfined or privileged', async () => {
    expect(await seccompMode()).toBe('2');
    expect(await seccompMode('--security-opt', 'seccomp=unconfined')).toBe('0');
    expect(await seccompMode('--privileged')).toBe('0');
  });

  test("the default profile refuses what Docker's does, whatever the capabilities", async () => {
    const script = 'swapon /tmp 2>&1 || true';
    expect(await sh(script, '--cap-add', 'ALL')).toMatch(/Operation not permitted/);
    expect(await sh(script, '--cap-add', 'ALL', '--security-opt', 'seccomp=unconfined')).not.toMatch(
      /Operation not permitted/,
    );
  });

  test("a profile of one's own", async () => {
    const profile = join(engine.directory, 'profile.json');
    const rule = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 95 };
    writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] }));
    const said = await sh('mkdir /tmp/x 2>&1 || echo refused', '--security-opt', `seccomp=${profile}`);
    expect(said).toMatch(/(Not supported|Operation not supported)\nrefused/);
  });

  test('no-new-privileges', async () => {
    const flag = (...flags: string[]): Promise<string> =>
      sh("awk '/^NoNewPrivs/{print $2}' /proc/self/status", ...flags);
    expect(await flag()).toBe('0');
    expect(await flag('--security-opt', 'no-new-privileges')).toBe('1');
  });

  test('kernel files are masked or read-only, and not when privileged', async () => {
    const masked = 'ls -A /proc/acpi /proc/scsi /sys/firmware 2>/dev/null | grep -v : | grep -c .';
    const write = '(cat /proc/sys/kernel/panic > /proc/sys/kernel/panic) 2>/dev/null || echo read-only';
    expect(await sh(`${masked}; ${write}`)).toBe('0\nread-only');
    expect(await sh(write, '--privileged')).toBe('');
  });

  test('privileged sees the devices of the host; others see a few', async () => {
    expect(
      await sh(
        'cd /dev && ls -d null zero full random urandom tty ptmx console fd stdin stdout stderr shm mqueue pts 2>/dev/null | wc -l',
      ),
    ).toBe('14');
    expect(await sh('ls /dev | grep -c kmsg || true')).toBe('0');
    expect(await sh('ls /dev | grep -c kmsg', '--privileged')).toBe('1');
  });

  test('devices: none but the usual, one by --device, with the rights given', async () => {
    expect(
      await sh('mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg 2>&1').catch((error: Error) => error.message),
    ).toMatch(/Operation not permitted/);
    const kmsg = ['--cap-add', 'SYSLOG', '--device', '/dev/kmsg:/dev/other:r'];
    expect(await sh('(: < /dev/other) && echo readable', ...kmsg)).toBe('readable');
    expect(await sh('(: > /dev/other) 2>/dev/null || echo refused', ...kmsg)).toBe('refused');
  });
});

describe('what programs expect in a container of Docker', () => {
  test('the marker and the list of mounts are there, and no part of what the container has changed', async () => {
    expect(await sh('stat -c %F /.dockerenv; readlink /etc/mtab; df / | tail -1 | cut -d" " -f1')).toBe(
      'regular empty file\n/proc/mounts\noverlay',
    );
    await engine.docker.ok('run', '--name', 'changed', 'busybox', 'touch', '/etc/new');
    expect(await engine.docker.ok('diff', 'changed')).toBe('C /etc\nA /etc/new');
    await engine.docker.ok('commit', 'changed', 'made:change');
    try {
      const root = await engine.docker.ok('run', '--rm', '--tmpfs', '/etc', 'made:change', 'ls', '-A', '/');
      expect(root.split('\n')).toContain('.dockerenv');
      await engine.docker.ok('save', '-o', `${engine.directory}/change.tar`, 'made:change');
      expect(layerEntries(`${engine.directory}/change.tar`)).toEqual(['./', './etc/', './etc/new']);
    } finally {
      await engine.docker.ok('rmi', 'made:change');
    }
  });

  test('a device node for tunnels may be made and opened', async () => {
    expect(await sh('mknod /tun c 10 200 && echo made; : <> /tun && echo opened')).toMatch(/^made\nopened$/);
  });
});

describe('environment', () => {
  test('comes from -e, --env-file and the client, over that of the image', async () => {
    const file = join(engine.directory, 'env');
    writeFileSync(file, '# comment\nFROM_FILE=a b\nBOTH=file\n');
    const args = ['run', '--rm', '--env-file', file, '-e', 'BOTH=flag', '-e', 'FROM_CLIENT', 'busybox', 'env'];
    const said = await engine.docker.okWith({ env: { FROM_CLIENT: 'client' } }, ...args);
    expect(said.split('\n')).toEqual(
      expect.arrayContaining(['FROM_FILE=a b', 'BOTH=flag', 'FROM_CLIENT=client', 'HOME=/root']),
    );
    expect(said).toMatch(/^PATH=\/usr\/local\/sbin:/m);
  });

  test('HOSTNAME is the short id, or the name given', async () => {
    const id = await engine.docker.ok('create', 'busybox', 'sh', '-c', 'hostname; echo $HOSTNAME');
    expect(await engine.docker.ok('start', '-a', id)).toBe(`${id.slice(0, 12)}\n${id.slice(0, 12)}`);
    expect(await sh('hostname; echo $HOSTNAME; hostname -f', '-h', 'web', '--domainname', 'example.org')).toMatch(
      /^web\nweb\nweb\.example\.org$/,
    );
  });
});

describe('command and directory', () => {
  test('--entrypoint replaces, with nothing it is taken away', async () => {
    expect(await engine.docker.ok('run', '--rm', '--entrypoint', 'echo', 'busybox', 'a', 'b')).toBe('a b');
    expect(await engine.docker.ok('run', '--rm', '--entrypoint', '', 'busybox', 'echo', 'plain')).toBe('plain');
  });

  test('-w sets the directory and makes it', async () => {
    expect(await sh('pwd', '-w', '/not/there/yet')).toBe('/not/there/yet');
    expect(await engine.docker.fails('run', '--rm', '-w', 'relative', 'busybox', 'pwd')).toMatch(
      /working directory 'relative' is invalid/,
    );
  });

  test('labels are kept, also those from a file', async () => {
    const file = join(engine.directory, 'labels');
    writeFileSync(file, 'from.file=1\n');
    const id = await engine.docker.ok(
      'create',
      '--label',
      'plain',
      '--label',
      'a=b=c',
      '--label-file',
      file,
      'busybox',
    );
    expect(JSON.parse(await engine.docker.ok('inspect', '-f', '{{json .Config.Labels}}', id))).toEqual({
      plain: '',
      a: 'b=c',
      'from.file': '1',
    });
  });

  test('--init reaps what nobody waits for, and passes signals on', async () => {
    const script = '(sh -c "sleep 0.1 & exec true" &) ; sleep 0.8; ps -o stat | grep -c Z';
    expect((await engine.docker.run(['run', '--rm', '--init', 'busybox', 'sh', '-c', script])).stdout).toBe('0\n');
    const id = await engine.docker.ok('run', '-d', '--init', 'busybox', 'sleep', '300');
    await engine.docker.ok('stop', id);
    expect(await engine.docker.ok('inspect', '-f', '{{.State.ExitCode}}', id)).toBe('143');
  });
});

test.each([
  [['--pid', 'container:nobody'], 'No such container: nobody'],
  [['--ipc', 'container:nobody'], 'No such container: nobody'],
  [['--annotation', '=x'], 'empty string is not permitted as an annotation key'],
])('%j is refused, and not taken for an absent image', async (flags, reason) => {
  const message = await engine.docker.fails('create', ...flags, 'busybox');
  expect(message).toContain(reason);
  expect(message).not.toMatch(/unable to find image/i);
});

test('a name server that is no address is refused', async () => {
  const { status, body } = await engine.client.send('POST', '/containers/create', {
    Image: 'busybox',
    HostConfig: { Dns: ['nowhere'] },
  });
  expect([status, body.toString()]).toEqual([400, expect.stringContaining('nowhere')]);
});

test('NetworkDisabled gives a network namespace with nothing in it', async () => {
  await engine.client.json('POST', '/containers/create?name=alone', {
    Image: 'busybox',
    Cmd: ['ls', '/sys/class/net'],
    NetworkDisabled: true,
  });
  expect(await engine.docker.ok('start', '-a', 'alone')).toBe('lo');
  expect(await engine.docker.ok('inspect', '-f', '{{json .NetworkSettings.Networks}}', 'alone')).toBe('{}');
});
