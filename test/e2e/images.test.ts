import { join } from 'node:path';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();
const made = ['made:one', 'made:two', 'made:imported', 'registry.example:5000/team/made:three'];

afterEach(async () => {
  await engine.docker.run(['rm', '--force', 'source', 'check']);
  await engine.docker.run(['rmi', '--force', ...made]);
});

const run = (image: string, ...command: string[]): Promise<string> =>
  engine.docker.ok('run', '--rm', image, ...command);
const inspect = (image: string, format: string): Promise<string> =>
  engine.docker.ok('image', 'inspect', '-f', format, image);

async function commit(image: string, script: string, ...flags: string[]): Promise<string> {
  await engine.docker.ok('run', '--name', 'source', 'busybox', 'sh', '-c', script);
  const id = await engine.docker.ok('commit', ...flags, 'source', image);
  await engine.docker.ok('rm', 'source');
  return id;
}

describe('commit', () => {
  test('keeps what the container changed, deletions included', async () => {
    await commit('made:one', 'echo new > /new; rm /etc/group; mkdir /etc/dir; ln /new /hard');
    const script = 'cat /new /hard; ls -a /etc';
    const listed = await run('made:one', 'sh', '-c', script);
    expect(listed).toMatch(/^new\nnew\n/);
    expect(listed).not.toContain('group');
    expect(listed).toContain('dir');
  });

  test('--change, --message and --author end up in the image', async () => {
    const flags = ['-c', 'CMD ["echo","from image"]', '-c', 'ENV ADDED=1', '-m', 'the message', '-a', 'the author'];
    await commit('made:one', 'true', ...flags, '-c', 'WORKDIR /tmp', '-c', 'LABEL a=b', '-c', 'EXPOSE 80');
    expect(await engine.docker.ok('run', '--rm', 'made:one')).toBe('from image');
    expect(await run('made:one', 'sh', '-c', 'pwd; echo $ADDED')).toBe('/tmp\n1');
    expect(await inspect('made:one', '{{.Comment}}|{{.Author}}|{{json .Config.Labels}}')).toBe(
      'the message|the author|{"a":"b"}',
    );
    expect(await engine.docker.ok('history', '--no-trunc', '--format', '{{.Comment}}', 'made:one')).toContain(
      'the message',
    );
  });

  test('of a running container pauses it no longer than needed', async () => {
    await engine.docker.ok('run', '-d', '--name', 'source', 'busybox', 'sh', '-c', 'echo x > /x; sleep 300');
    await engine.docker.ok('exec', 'source', 'true');
    await engine.docker.ok('commit', 'source', 'made:one');
    expect(await engine.docker.ok('inspect', '-f', '{{.State.Status}}', 'source')).toBe('running');
    expect(await run('made:one', 'cat', '/x')).toBe('x');
  });
});

describe('save and load', () => {
  test('an image comes back as it was, with its tags', async () => {
    const id = await commit('made:one', 'echo kept > /kept');
    await engine.docker.ok('tag', 'made:one', 'made:two');
    const file = join(engine.directory, 'saved.tar');
    await engine.docker.ok('save', '-o', file, 'made:one', 'made:two', 'busybox');
    await engine.docker.ok('rmi', 'made:one', 'made:two');
    const loaded = await engine.docker.ok('load', '-i', file);
    expect(loaded).toContain('Loaded image: made:one');
    expect(loaded).toContain('Loaded image: made:two');
    expect(await inspect('made:one', '{{.Id}}')).toBe(id);
    expect(await run('made:two', 'cat', '/kept')).toBe('kept');
  });

  test('through pipes', async () => {
    await commit('made:one', 'echo piped > /piped');
    const { stdout } = await engine.docker.runBinary(['save', 'made:one']);
    await engine.docker.ok('rmi', 'made:one');
    expect((await engine.docker.run(['load'], { input: stdout })).stdout).toContain('Loaded image: made:one');
    expect(await run('made:one', 'cat', '/piped')).toBe('piped');
  });

  test('what is no image is refused and leaves nothing', async () => {
    const listed = async (): Promise<string[]> => (await engine.docker.ok('images', '-aq')).split('\n').sort();
    const before = await listed();
    const { code, stderr, stdout } = await engine.docker.run(['load'], { input: 'this is not an archive' });
    expect(code).not.toBe(0);
    expect(stderr + stdout).not.toBe('');
    expect(await listed()).toEqual(before);
  });
});

test('export and import carry a file system over, --change included', async () => {
  await engine.docker.ok(
    'run',
    '--name',
    'source',
    'busybox',
    'sh',
    '-c',
    'echo exported > /exported; chown 37:50 /exported',
  );
  const { stdout } = await engine.docker.runBinary(['export', 'source']);
  const input = stdout;
  const { stderr } = await engine.docker.run(
    ['import', '-c', 'CMD ["cat","/exported"]', '-m', 'note', '-', 'made:imported'],
    { input },
  );
  expect(stderr).toBe('');
  expect(await engine.docker.ok('run', '--rm', 'made:imported')).toBe('exported');
  expect(await run('made:imported', '/bin/stat', '-c', '%u:%g', '/exported')).toBe('37:50');
  expect(await inspect('made:imported', '{{len .RootFS.Layers}} {{.Comment}}')).toBe('1 note');
});

describe('tag and rmi', () => {
  test('a tag is a further name; removing one leaves the other', async () => {
    const id = await inspect('busybox', '{{.Id}}');
    await engine.docker.ok('tag', 'busybox', 'registry.example:5000/team/made:three');
    expect(await inspect('registry.example:5000/team/made:three', '{{.Id}}')).toBe(id);
    expect(await engine.docker.ok('rmi', 'registry.example:5000/team/made:three')).toBe(
      'Untagged: registry.example:5000/team/made:three',
    );
    expect(await inspect('busybox', '{{.Id}}')).toBe(id);
  });

  test('the last name takes the image along', async () => {
    const id = await commit('made:one', 'echo x > /x');
    const said = await engine.docker.ok('rmi', 'made:one');
    expect(said).toContain('Untagged: made:one');
    expect(said).toContain(`Deleted: ${id}`);
  });

  test('an image in use stays, unless forced and not running', async () => {
    await commit('made:one', 'echo x > /x');
    await engine.docker.ok('run', '--name', 'check', 'made:one', 'true');
    expect(await engine.docker.fails('rmi', 'made:one')).toMatch(
      /conflict: unable to (remove repository reference|delete)/,
    );
    await engine.docker.ok('rmi', '-f', 'made:one');
    expect(await engine.docker.ok('inspect', '-f', '{{.State.ExitCode}}', 'check')).toBe('0');
  });

  test('what does not exist is named', async () => {
    expect(await engine.docker.fails('rmi', 'no-such-image')).toMatch(/No such image: no-such-image:latest/);
    expect(await engine.docker.fails('tag', 'no-such-image', 'made:one')).toMatch(
      /No such image: no-such-image:latest/,
    );
    expect(await engine.docker.fails('tag', 'busybox', 'Not/Allowed')).toMatch(
      /invalid reference format|must be lowercase/,
    );
    expect(await engine.docker.fails('create', '--pull', 'never', 'no-such-image', 'true')).toMatch(
      /No such image: no-such-image:latest/,
    );
  });
});

test('images lists names, ids, filters and formats', async () => {
  const id = await commit('made:one', 'echo x > /x', '-c', 'LABEL kind=special');
  expect(await engine.docker.ok('images', '--format', '{{.Repository}}:{{.Tag}}', 'made')).toBe('made:one');
  expect(await engine.docker.ok('images', '-q', '--no-trunc', '--filter', 'label=kind=special')).toBe(id);
  expect(await engine.docker.ok('images', '-q', '--no-trunc', '--filter', 'reference=mad*:o*')).toBe(id);
  expect(await engine.docker.ok('images', '-q', '--no-trunc', '--filter', 'before=made:one')).toContain(
    await inspect('busybox', '{{.Id}}'),
  );
  expect(await engine.docker.ok('images')).toMatch(/^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\n/);
});

test('prune takes what has no name', async () => {
  const id = await commit('made:one', 'echo x > /x');
  await commit('made:one', 'echo y > /y');
  expect(await engine.docker.ok('images', '-q', '--no-trunc', '--filter', 'dangling=true')).toBe(id);
  expect(await engine.docker.ok('image', 'prune', '--force')).toContain(id);
  expect(await run('made:one', 'cat', '/y')).toBe('y');
});

test('history shows the layers from the top down', async () => {
  await commit('made:one', 'head -c 1000000 /dev/zero > /zeros', '-m', 'zeros');
  const lines = (
    await engine.docker.ok('history', '--human=false', '--format', '{{.Size}} {{.Comment}}', 'made:one')
  ).split('\n');
  expect(lines[0]).toMatch(/^10\d{5} zeros$/);
  expect(lines.length).toBeGreaterThan(1);
});
