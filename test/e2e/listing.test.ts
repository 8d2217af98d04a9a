import { join } from 'node:path';
import { eventually } from '../support/eventually.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

const ps = (...args: string[]): Promise<string> => engine.docker.ok('ps', '--format', '{{.Names}}', ...args);
const sorted = (list: string): string[] => list.split('\n').sort();

describe('ps', () => {
  beforeEach(async () => {
    await engine.docker.ok(
      'run',
      '-d',
      '--name',
      'up',
      '--label',
      'tier=front',
      '--label',
      'x=1',
      'busybox',
      'sleep',
      '300',
    );
    await engine.docker.run([
      'run',
      '--name',
      'down',
      '--label',
      'tier=back',
      '-v',
      '/vol',
      'busybox',
      'sh',
      '-c',
      'exit 3',
    ]);
    await engine.docker.ok('create', '--name', 'fresh', 'busybox', 'true');
  });

  test('shows what runs, -a everything, -n and -l the last', async () => {
    expect(await ps()).toBe('up');
    expect(await ps('-a')).toBe('fresh\ndown\nup');
    expect(await ps('-n', '2')).toBe('fresh\ndown');
    expect(await ps('-l')).toBe('fresh');
  });

  test.each([
    [['status=exited'], ['down']],
    [['status=created'], ['fresh']],
    [
      ['status=running', 'status=created'],
      ['fresh', 'up'],
    ],
    [['exited=3'], ['down']],
    [['exited=0'], []],
    [['label=tier'], ['down', 'up']],
    [['label=tier=front'], ['up']],
    [['label=tier', 'label=x=1'], ['up']],
    [['name=o'], ['down']],
    [['name=^up$'], ['up']],
    [['ancestor=busybox'], ['down', 'fresh', 'up']],
    [['before=down'], ['up']],
    [['since=up'], ['down', 'fresh']],
    [['volume=/vol'], ['down']],
    [['network=bridge'], ['down', 'fresh', 'up']],
    [['is-task=true'], []],
    [['health=none'], ['down', 'fresh', 'up']],
  ])('filter %j gives %j', async (filters, expected) => {
    const flags = filters.flatMap((filter) => ['--filter', filter]);
    expect(sorted(await ps('-a', ...flags)).filter((name) => name !== '')).toEqual(expected);
  });

  test('a filter that does not exist is refused by name', async () => {
    expect(await engine.docker.fails('ps', '--filter', 'colour=red')).toMatch(/invalid filter 'colour'/);
    expect(await engine.docker.fails('ps', '--filter', 'status=dancing')).toMatch(/dancing/);
    expect(await engine.docker.fails('ps', '--filter', 'health=dancing')).toMatch(/dancing/);
    expect(await engine.docker.fails('ps', '--filter', 'is-task=perhaps')).toMatch(/perhaps/);
    expect(await engine.docker.fails('ps', '--filter', 'publish=http')).toMatch(/http/);
  });

  test('status, command and size read as people expect', async () => {
    expect(
      await engine.docker.ok('ps', '-a', '--filter', 'name=down', '--format', '{{.Status}}|{{.Command}}|{{.State}}'),
    ).toMatch(/^Exited \(3\) .+ ago\|"sh -c 'exit 3'"\|exited$/);
    expect(await engine.docker.ok('ps', '--format', '{{.Status}}|{{.Image}}')).toMatch(/^Up .+\|busybox$/);
    await engine.docker.ok('exec', 'up', 'sh', '-c', 'head -c 100000 /dev/zero > /zeros');
    expect(await engine.docker.ok('ps', '--size', '--format', '{{.Size}}')).toMatch(/^10\dkB \(virtual [\d.]+MB\)$/);
    const [rw, root] = (await engine.docker.ok('inspect', '--size', '-f', '{{.SizeRw}} {{.SizeRootFs}}', 'up'))
      .split(' ')
      .map(Number);
    expect(rw).toBeGreaterThanOrEqual(100_000);
    expect(root).toBeGreaterThan(1_000_000);
  });
});

test('top shows the processes with their host ids', async () => {
  await engine.docker.ok('run', '-d', '--name', 'box', 'busybox', 'sleep', '4711');
  const [header, line] = (await engine.docker.ok('top', 'box')).split('\n');
  expect(header).toMatch(/^UID +PID +PPID +C +STIME +TTY +TIME +CMD$/);
  expect(line).toContain('sleep 4711');
  expect(line?.split(/\s+/)[1]).toBe(await engine.docker.ok('inspect', '-f', '{{.State.Pid}}', 'box'));
  expect(await engine.docker.ok('top', 'box', '-o', 'pid,args')).toMatch(/^PID +COMMAND/);
});

test('stats --no-stream shows numbers of what runs', async () => {
  await engine.docker.ok(
    'run',
    '-d',
    '--name',
    'busy',
    '--memory',
    '64m',
    'busybox',
    'sh',
    '-c',
    'while :; do :; done',
  );
  await eventually(
    async () =>
      JSON.parse(await engine.docker.ok('stats', '--no-stream', '--format', 'json')) as Record<string, string>,
    (line) => parseFloat(line['CPUPerc'] ?? '') > 5,
  );
  const line = JSON.parse(await engine.docker.ok('stats', '--no-stream', '--format', 'json')) as Record<string, string>;
  expect(line['Name']).toBe('busy');
  expect(line['MemUsage']).toMatch(/^[\d.]+[KM]iB \/ 64MiB$/);
  expect(line['PIDs']).toBe('1');
  expect(line['NetIO']).toMatch(/^[\d.]+k?B \/ [\d.]+k?B$/);
});

test('diff shows what was added, changed and deleted', async () => {
  await engine.docker.ok(
    'run',
    '--name',
    'box',
    'busybox',
    'sh',
    '-c',
    'echo x > /new; echo y >> /etc/passwd; rm /etc/group',
  );
  expect(sorted(await engine.docker.ok('diff', 'box'))).toEqual(['A /new', 'C /etc', 'C /etc/passwd', 'D /etc/group']);
});

test('info and version name the engine and what it can do', async () => {
  const info = JSON.parse(await engine.docker.ok('info', '--format', 'json')) as Record<string, unknown>;
  expect(info).toMatchObject({ OSType: 'linux', Driver: 'overlay2', LoggingDriver: 'json-file', MemoryLimit: true });
  expect(info['NCPU']).toBeGreaterThan(0);
  expect(await engine.docker.ok('version', '--format', '{{.Server.Os}}/{{.Server.Arch}}')).toMatch(
    /^linux\/(amd64|arm64)$/,
  );
});

test("events tell a container's life in order", async () => {
  const since = Date.now();
  await engine.docker.run(['run', '--rm', '--name', 'teller', 'busybox', 'sh', '-c', 'exit 5']);
  await eventually(
    () => ps('-a'),
    (list) => list === '',
  );
  const format = '{{.Type}} {{.Action}} {{.Actor.Attributes.exitCode}}';
  const events = await engine.docker.eventsSince(since, 'container=teller', format);
  const actions = events
    .filter((line) => line.startsWith('container'))
    .map((line) => line.replace(/ (<no value>)?$/, ''));
  expect(actions.filter((line) => !line.includes('attach'))).toEqual([
    'container create',
    'container start',
    'container die 5',
    'container destroy',
  ]);
});

test('what is done with a container is an event, too', async () => {
  const since = Date.now();
  await engine.docker.ok('run', '-d', '--name', 'watched', 'busybox', 'sleep', '300');
  await engine.docker.ok('exec', 'watched', 'true');
  await engine.docker.ok('cp', 'watched:/etc/passwd', '-');
  await engine.docker.ok('cp', '/etc/hostname', 'watched:/name');
  await engine.docker.ok('export', '-o', join(engine.daemon!.root, 'watched.tar'), 'watched');
  await engine.docker.ok('top', 'watched');
  const image = await engine.docker.ok('commit', '-m', 'why', 'watched', 'made:1');
  await engine.docker.ok('rm', '-f', 'watched');
  await engine.docker.ok('container', 'prune', '-f');
  await engine.docker.ok('rmi', 'made:1');
  const actions = await engine.docker.eventsSince(since, 'type=container', '{{json .}}');
  const told = actions.map((line) => JSON.parse(line) as { Action: string; Actor: { Attributes: object } });
  expect(told.map(({ Action }) => Action)).toEqual([
    ...[
      'create',
      'start',
      'exec_create: true ',
      'exec_start: true ',
      'exec_die',
      'archive-path',
      'extract-to-dir',
      'export',
      'top',
    ],
    ...['pause', 'commit', 'unpause', 'kill', 'die', 'destroy', 'prune'],
  ]);
  expect(told.find(({ Action }) => Action === 'commit')?.Actor.Attributes).toEqual({
    image: 'busybox',
    name: 'watched',
    comment: 'why',
    imageID: image,
    imageRef: 'made:1',
  });
});

test('a published port is found by its number on the host', async () => {
  await engine.docker.ok('run', '-d', '--name', 'public', '-p', '127.0.0.1:38080:80', 'busybox', 'sleep', '300');
  const found = (filter: string): Promise<string> =>
    engine.docker.ok('ps', '--filter', filter, '--format', '{{.Names}}');
  expect(await found('publish=38080')).toBe('public');
  expect(await found('publish=38000-38100/tcp')).toBe('public');
  expect(await found('publish=80')).toBe('');
  expect(await found('expose=80')).toBe('public');
  await engine.docker.ok('rm', '-f', 'public');
});

test('an inspection has a size of nothing, too', async () => {
  await engine.docker.ok('create', '--name', 'untouched', 'busybox');
  expect(await engine.docker.ok('inspect', '--size', '-f', '{{.SizeRw}}', 'untouched')).toBe('0');
});

test('events are followed live, and filters hold', async () => {
  const session = engine.docker.session(
    'events',
    '--filter',
    'event=die',
    '--format',
    '{{.Action}} {{.Actor.Attributes.name}}',
  );
  await new Promise((resolve) => setTimeout(resolve, 400));
  await engine.docker.ok('run', '--name', 'mortal', 'busybox', 'true');
  await session.says('die mortal\n');
  session.kill('SIGTERM');
  await session.exitCode();
  expect(session.stdout).toBe('die mortal\n');
});
