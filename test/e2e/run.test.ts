import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

describe('docker run: exit codes', () => {
  test.each([
    ['true', 0],
    ['false', 1],
    ['exit 7', 7],
    ['exit 255', 255],
    ['sleep 60 & kill -9 $!; wait $!', 137],
    // PID 1 does not get a signal from inside that it has no handler for.
    ['kill -15 $$; exit 5', 5],
  ])('sh -c "%s" ends with %i', async (script, expected) => {
    const { code } = await engine.docker.run(['run', '--rm', 'busybox', 'sh', '-c', script]);
    expect(code).toBe(expected);
  });

  test('a command that does not exist is 127 and is named', async () => {
    const { code, stderr } = await engine.docker.run(['run', '--rm', 'busybox', 'no-such-command']);
    expect(code).toBe(127);
    expect(stderr).toMatch(/no-such-command.*(executable file not found in \$PATH|no such file or directory)/is);
    expect(stderr).not.toContain('Error waiting for container');
    const kept = await engine.docker.run(['run', '--name', 'kept', 'busybox', 'no-such-command']);
    expect([kept.code, kept.stderr]).toEqual([127, stderr]);
  });

  test('an absolute path that does not exist is 127', async () => {
    const { code, stderr } = await engine.docker.run(['run', '--rm', 'busybox', '/no/such/command']);
    expect(code).toBe(127);
    expect(stderr).toMatch(/no such file or directory/i);
  });

  test('a file that cannot be executed is 126', async () => {
    const { code, stderr } = await engine.docker.run(['run', '--rm', 'busybox', '/etc/passwd']);
    expect(code).toBe(126);
    expect(stderr).toMatch(/permission denied/i);
  });

  test('a directory is 126', async () => {
    const { code } = await engine.docker.run(['run', '--rm', 'busybox', '/etc']);
    expect(code).toBe(126);
  });

  test('a request that the engine refuses is 125', async () => {
    const { code, stderr } = await engine.docker.run(['run', '--rm', '--memory', '1m', 'busybox', 'true']);
    expect(code).toBe(125);
    expect(stderr).toMatch(/minimum memory limit/i);
  });

  test('a container killed from outside is 137, stopped by SIGTERM 143', async () => {
    const codes = await Promise.all(
      ['KILL', 'TERM'].map(async (signal) => {
        const id = await engine.docker.ok('run', '-d', '--init', 'busybox', 'sleep', '300');
        await engine.docker.ok('kill', '--signal', signal, id);
        return engine.docker.ok('wait', id);
      }),
    );
    expect(codes).toEqual(['137', '143']);
  });
});

describe('docker run: streams', () => {
  test('stdout and stderr come apart', async () => {
    const script = 'echo to-out; echo to-err >&2';
    const { stdout, stderr } = await engine.docker.run(['run', '--rm', 'busybox', 'sh', '-c', script]);
    expect(stdout).toBe('to-out\n');
    expect(stderr).toBe('to-err\n');
  });

  test('-i passes stdin through, its end included', async () => {
    const input = 'first\nsecond\nno newline at the end';
    const { stdout, code } = await engine.docker.run(['run', '--rm', '-i', 'busybox', 'cat'], { input });
    expect(stdout).toBe(input);
    expect(code).toBe(0);
  });

  test('-i passes a megabyte of any bytes unchanged', async () => {
    const input = Buffer.alloc(1024 * 1024, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
    const { stdout } = await engine.docker.runBinary(['run', '--rm', '-i', 'busybox', 'cat'], { input });
    expect(stdout.equals(input)).toBe(true);
  });

  test('without -i stdin is empty', async () => {
    expect(await engine.docker.ok('run', '--rm', 'busybox', 'sh', '-c', 'wc -c; readlink /proc/self/fd/0')).toBe(
      '0\n/dev/null',
    );
  });

  test('nothing of a quick writer is lost', async () => {
    const stdout = await engine.docker.ok('run', '--rm', 'busybox', 'seq', '100000');
    expect(stdout.split('\n')).toHaveLength(100_000);
    expect(stdout.endsWith('99999\n100000')).toBe(true);
  });

  test('a process sees descriptors 0, 1 and 2 and no other', async () => {
    // ls itself opens 3, the directory.
    expect(await engine.docker.ok('run', '--rm', 'busybox', 'ls', '/proc/self/fd')).toBe('0\n1\n2\n3');
    expect(await engine.docker.ok('run', '--rm', '-t', 'busybox', 'ls', '-1', '/proc/self/fd')).toMatch(
      /^0\r\n1\r\n2\r\n3\r?$/,
    );
  });

  test('PID 1 is the command, and nobody else is there', async () => {
    const script = 'echo $$; for p in /proc/[0-9]*; do echo $p; done';
    expect(await engine.docker.ok('run', '--rm', 'busybox', 'sh', '-c', script)).toBe('1\n/proc/1');
  });
});
