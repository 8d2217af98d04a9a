import { eventually } from '../support/eventually.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

const state = (name: string, field: string): Promise<string> =>
  engine.docker.ok('inspect', '-f', `{{.State.${field}}}`, name);

async function sleeper(name = 'sleeper', ...flags: string[]): Promise<string> {
  return engine.docker.ok('run', '-d', '--name', name, ...flags, 'busybox', 'sleep', '300');
}

/** A container whose init answers SIGTERM and SIGUSR1. */
async function trapper(...flags: string[]): Promise<void> {
  const script = 'trap "echo term; exit 3" TERM; trap "echo usr1; exit 4" USR1; echo up; while :; do sleep 0.05; done';
  await engine.docker.ok('run', '-d', '--name', 'trapper', ...flags, 'busybox', 'sh', '-c', script);
  await eventually(
    () => engine.docker.ok('logs', 'trapper'),
    (log) => log.includes('up'),
  );
}

describe('names', () => {
  test('a name can be used once; the message says by whom', async () => {
    const id = await sleeper();
    const message = await engine.docker.fails('create', '--name', 'sleeper', 'busybox', 'true');
    expect(message).toContain('Conflict. The container name "/sleeper" is already in use by container');
    expect(message).toContain(id);
  });

  test('a container is found by id, by the beginning of it, and by name', async () => {
    const id = await sleeper();
    for (const reference of [id, id.slice(0, 12), id.slice(0, 6), 'sleeper']) {
      expect(await engine.docker.ok('inspect', '-f', '{{.Id}}', reference)).toBe(id);
    }
    expect(await engine.docker.fails('inspect', '--type', 'container', 'nobody')).toMatch(/no such container: nobody/i);
  });

  test('rename frees the old name', async () => {
    await sleeper();
    await engine.docker.ok('rename', 'sleeper', 'renamed');
    await engine.docker.ok('create', '--name', 'sleeper', 'busybox', 'true');
    expect(await engine.docker.fails('rename', 'renamed', 'sleeper')).toMatch(/already in use/);
    expect(await engine.docker.fails('rename', 'renamed', 'not/allowed')).toMatch(/Invalid container name/);
  });

  test('without a name one is made up', async () => {
    const id = await engine.docker.ok('create', 'busybox', 'true');
    expect(await engine.docker.ok('inspect', '-f', '{{.Name}}', id)).toMatch(/^\/[a-z]+_[a-z]+\d?$/);
  });
});

describe('stop, kill, restart', () => {
  test('stop sends the stop signal and waits', async () => {
    await trapper();
    await engine.docker.ok('stop', 'trapper');
    expect(await state('trapper', 'ExitCode')).toBe('3');
  });

  test('--stop-signal and stop --signal choose another', async () => {
    await trapper('--stop-signal', 'SIGUSR1');
    await engine.docker.ok('stop', 'trapper');
    expect(await state('trapper', 'ExitCode')).toBe('4');
    await engine.docker.ok('start', 'trapper');
    await eventually(
      () => engine.docker.ok('logs', 'trapper'),
      (log) => log.split('up').length === 3,
    );
    await engine.docker.ok('stop', '--signal', 'TERM', 'trapper');
    expect(await state('trapper', 'ExitCode')).toBe('3');
  });

  test('a container that does not listen is killed after the timeout', async () => {
    await sleeper();
    const started = Date.now();
    await engine.docker.ok('stop', '-t', '1', 'sleeper');
    expect(Date.now() - started).toBeGreaterThanOrEqual(900);
    expect(await state('sleeper', 'ExitCode')).toBe('137');
  });

  test('stopping what is stopped is fine; killing it is not', async () => {
    await sleeper();
    await engine.docker.ok('kill', 'sleeper');
    await engine.docker.ok('stop', 'sleeper');
    expect(await engine.docker.fails('kill', 'sleeper')).toMatch(/is not running/);
  });

  test('kill with a signal that the container handles does not end it', async () => {
    await engine.docker.ok(
      'run',
      '-d',
      '--name',
      'handler',
      'busybox',
      'sh',
      '-c',
      'trap "echo hup" HUP; echo up; while :; do sleep 0.05; done',
    );
    await eventually(
      () => engine.docker.ok('logs', 'handler'),
      (log) => log.includes('up'),
    );
    await engine.docker.ok('kill', '-s', 'HUP', 'handler');
    await eventually(
      () => engine.docker.ok('logs', 'handler'),
      (log) => log.includes('hup'),
    );
    expect(await state('handler', 'Running')).toBe('true');
    expect(await engine.docker.fails('kill', '-s', 'NOSUCH', 'handler')).toMatch(/invalid signal/i);
  });

  test('restart gives a new process in the same container', async () => {
    await sleeper();
    await engine.docker.ok('exec', 'sleeper', 'touch', '/kept');
    const before = await state('sleeper', 'Pid');
    await engine.docker.ok('restart', '-t', '0', 'sleeper');
    expect(await state('sleeper', 'Pid')).not.toBe(before);
    await engine.docker.ok('exec', 'sleeper', 'test', '-e', '/kept');
  });

  test('starting what runs is fine', async () => {
    await sleeper();
    const pid = await state('sleeper', 'Pid');
    await engine.docker.ok('start', 'sleeper');
    expect(await state('sleeper', 'Pid')).toBe(pid);
  });
});

describe('pause', () => {
  test('a paused container does nothing until it is unpaused', async () => {
    await engine.docker.ok(
      'run',
      '-d',
      '--name',
      'ticker',
      'busybox',
      'sh',
      '-c',
      'while :; do echo tick; sleep 0.05; done',
    );
    await engine.docker.ok('pause', 'ticker');
    expect(await state('ticker', 'Status')).toBe('paused');
    const lines = async (): Promise<number> => (await engine.docker.ok('logs', 'ticker')).split('\n').length;
    const count = await lines();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await lines()).toBe(count);
    expect(await engine.docker.fails('pause', 'ticker')).toMatch(/already paused/);
    await engine.docker.ok('unpause', 'ticker');
    await eventually(lines, (now) => now > count);
    expect(await engine.docker.fails('unpause', 'ticker')).toMatch(/not paused/);
  });

  test('a paused container can be stopped and removed', async () => {
    await sleeper('first');
    await engine.docker.ok('pause', 'first');
    await engine.docker.ok('stop', '-t', '1', 'first');
    expect(await state('first', 'Status')).toBe('exited');
    await sleeper('second');
    await engine.docker.ok('pause', 'second');
    await engine.docker.ok('rm', '-f', 'second');
  });
});

describe('remove', () => {
  test('a running container needs --force', async () => {
    await sleeper();
    expect(await engine.docker.fails('rm', 'sleeper')).toMatch(
      /container is running: stop the container before removing or force remove/,
    );
    await engine.docker.ok('rm', '-f', 'sleeper');
    expect(await engine.docker.fails('rm', 'sleeper')).toMatch(/No such container/);
  });

  test('--rm leaves nothing, and the name is free at once', async () => {
    for (let i = 0; i < 5; i++) await engine.docker.ok('run', '--rm', '--name', 'again', 'busybox', 'true');
    await eventually(
      () => engine.docker.ok('ps', '-aq', '--filter', 'name=again'),
      (list) => list === '',
    );
  });

  test('prune takes what has ended and leaves what runs', async () => {
    await sleeper();
    await engine.docker.ok('run', '--name', 'ended', 'busybox', 'true');
    expect(await engine.docker.ok('container', 'prune', '--force')).toContain('Total reclaimed space');
    expect(await engine.docker.ok('ps', '-a', '--format', '{{.Names}}')).toBe('sleeper');
  });
});

describe('wait', () => {
  test('wait answers when the container ends, with its exit code', async () => {
    await engine.docker.ok('run', '-d', '--name', 'short', 'busybox', 'sh', '-c', 'sleep 0.5; exit 12');
    expect(await engine.docker.ok('wait', 'short')).toBe('12');
    expect(await engine.docker.ok('wait', 'short')).toBe('12');
    expect(await engine.docker.fails('wait', 'nobody')).toMatch(/No such container/i);
  });
});
