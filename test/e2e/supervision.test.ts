import { eventually } from '../support/eventually.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

const inspect = (name: string, format: string): Promise<string> => engine.docker.ok('inspect', '-f', format, name);
const restarts = async (name: string): Promise<number> => Number(await inspect(name, '{{.RestartCount}}'));

describe('restart policies', () => {
  const start = (policy: string, script: string): Promise<string> =>
    engine.docker.ok('run', '-d', '--name', 'box', '--restart', policy, 'busybox', 'sh', '-c', script);

  test('on-failure restarts so often and no more', async () => {
    await start('on-failure:2', 'echo run; exit 9');
    await eventually(
      () => inspect('box', '{{.State.Status}} {{.RestartCount}}'),
      (state) => state === 'exited 2',
    );
    expect(await engine.docker.ok('logs', 'box')).toBe('run\nrun\nrun');
    expect(await inspect('box', '{{.State.ExitCode}}')).toBe('9');
  });

  test('on-failure leaves a success alone', async () => {
    await start('on-failure', 'exit 0');
    await engine.docker.ok('wait', 'box');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await inspect('box', '{{.State.Status}} {{.RestartCount}}')).toBe('exited 0');
  });

  test('always restarts also a success, with growing pauses, until it is stopped', async () => {
    await start('always', 'exit 0');
    await eventually(
      () => restarts('box'),
      (count) => count >= 3,
    );
    await engine.docker.ok('stop', 'box');
    const count = await restarts('box');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await restarts('box')).toBe(count);
    expect(await inspect('box', '{{.State.Status}}')).toBe('exited');
  });

  test('a kill is not a stop for always, but is remembered as one by hand', async () => {
    await start('always', 'exec sleep 300');
    const pid = await inspect('box', '{{.State.Pid}}');
    process.kill(Number(pid), 'SIGKILL');
    await eventually(
      () => inspect('box', '{{.State.Running}} {{.State.Pid}}'),
      (state) => state.startsWith('true') && !state.endsWith(` ${pid}`),
    );
    await engine.docker.ok('kill', 'box');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await inspect('box', '{{.State.Running}}')).toBe('false');
  });

  test('a signal that is not the stop signal leaves the policy in force', async () => {
    const script = 'trap "exit 3" HUP; touch /ready; while :; do sleep 0.1; done';
    const flags = ['--restart', 'unless-stopped', '--stop-signal', 'USR1'];
    await engine.docker.ok('run', '-d', '--name', 'box', ...flags, 'busybox', 'sh', '-c', script);
    await engine.docker.ok('exec', 'box', 'sh', '-c', 'until test -e /ready; do usleep 10000; done');
    await engine.docker.ok('kill', '-s', 'HUP', 'box');
    await eventually(
      () => inspect('box', '{{.State.Running}} {{.RestartCount}}'),
      (state) => state === 'true 1',
    );
  });

  test('a container between two starts can be removed', async () => {
    await start('always', 'exit 1');
    await eventually(
      () => restarts('box'),
      (count) => count >= 4,
    );
    await engine.docker.ok('rm', '-f', 'box');
  });

  test('--rm and a restart policy contradict each other', async () => {
    expect(await engine.docker.fails('run', '--rm', '--restart', 'always', 'busybox', 'true')).toMatch(
      /conflicting options/i,
    );
    expect(await engine.docker.fails('create', '--restart', 'sometimes', 'busybox', 'true')).toMatch(
      /invalid restart policy/i,
    );
  });
});

describe('health checks', () => {
  const health = (): Promise<string> => inspect('box', '{{.State.Health.Status}}');
  const start = (command: string, ...flags: string[]): Promise<string> =>
    engine.docker.ok(
      'run',
      '-d',
      '--name',
      'box',
      '--health-cmd',
      command,
      '--health-interval',
      '300ms',
      ...flags,
      'busybox',
      'sleep',
      '300',
    );

  test('starting, then healthy; the output is kept', async () => {
    await start('echo fine');
    expect(await health()).toMatch(/starting|healthy/);
    await eventually(health, (status) => status === 'healthy');
    expect(await inspect('box', '{{(index .State.Health.Log 0).Output}}')).toContain('fine');
    expect(await engine.docker.ok('ps', '--format', '{{.Status}}')).toMatch(/^Up .* \(healthy\)$/);
    expect(await engine.docker.ok('ps', '-q', '--filter', 'health=healthy')).not.toBe('');
  });

  test('unhealthy after so many failures, and healthy again', async () => {
    await start('test -e /tmp/well', '--health-retries', '2');
    await eventually(health, (status) => status === 'unhealthy');
    expect(Number(await inspect('box', '{{.State.Health.FailingStreak}}'))).toBeGreaterThanOrEqual(2);
    await engine.docker.ok('exec', 'box', 'touch', '/tmp/well');
    await eventually(health, (status) => status === 'healthy');
  });

  test('a check that takes too long has failed', async () => {
    await start('sleep 60', '--health-timeout', '300ms', '--health-retries', '1');
    await eventually(health, (status) => status === 'unhealthy');
    expect(
      await inspect('box', '{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}'),
    ).toBe('-1 Health check exceeded timeout (300ms)');
    await eventually(
      () => engine.docker.ok('exec', 'box', 'sh', '-c', 'ps | grep -c "[s]leep 60" || true'),
      (count) => Number(count) <= 1,
    );
  });

  test('what a check leaves behind does not hold it up', async () => {
    await start('sleep 30 & echo said', '--health-timeout', '300ms', '--health-retries', '2');
    await eventually(health, (status) => status === 'unhealthy');
    expect(await inspect('box', '{{(index .State.Health.Log 1).Output}}')).toBe(
      'Health check exceeded timeout (300ms): said\n',
    );
  });

  test('a container that has been stopped is not healthy; its last checks can still be seen after a new start', async () => {
    await start('echo fine');
    await eventually(health, (status) => status === 'healthy');
    await engine.docker.ok('stop', '-t', '0', 'box');
    expect(await health()).toBe('unhealthy');
    await engine.docker.ok('start', 'box');
    expect(await inspect('box', '{{(index .State.Health.Log 0).Output}}')).toContain('fine');
  });

  test('stopped before its first check it is not healthy either', async () => {
    await start('true', '--health-interval', '1h');
    await engine.docker.ok('stop', '-t', '0', 'box');
    expect(await health()).toBe('unhealthy');
  });

  test('events tell when it changes', async () => {
    const since = Date.now();
    await start('true');
    await eventually(health, (status) => status === 'healthy');
    const events = await engine.docker.eventsSince(since, 'event=health_status', '{{.Action}}');
    expect(events).toContain('health_status: healthy');
  });
});
