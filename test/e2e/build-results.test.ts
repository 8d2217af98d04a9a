import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import { bothApis, BuildDirectory, useBuildDirectory } from '../support/build-context.js';
import { readAll } from '../support/raw-http.js';
import { TestEngine, useEngine } from '../support/test-engine.js';

/** What comes of a build: the same for the same input, used again from where it is, and one layer where that is wanted. */
const engine = useEngine();
const elsewhere = new TestEngine([]);
beforeAll(() => elsewhere.start());
afterAll(() => elsewhere.stop());

/** A bit of everything that could depend on the time, the place or the machine. */
const various = [
  'FROM busybox AS base',
  'RUN mkdir -p /a/b && echo x > /a/b/x && ln /a/b/x /a/y && ln -s x /a/z && touch -d "2001-01-01 00:00:00" /a/old',
  'WORKDIR /made/here',
  'FROM base',
  'ENV A=b',
  'COPY --chown=3:4 . /context/',
  'COPY --link file /linked/',
  'COPY <<EOF /inline',
  'inline',
  'EOF',
  'ADD archive.tar /archive/',
  'RUN date > /dev/null && rm /a/y && echo more >> /context/file',
  'LABEL l=m',
];

describe.each(bothApis)('%s', (_, variables) => {
  const directory = useBuildDirectory(engine, variables);
  const api = variables['DOCKER_BUILDKIT'];

  async function write(into: BuildDirectory): Promise<void> {
    into.write({ 'file': 'text\n', 'sub/deep/other': 'other\n', 'sub/empty': '' }); // prettier-ignore
    // Made by no tar of this machine, so that its times are the same everywhere.
    into.write({ 'archive.tar': await archive() });
  }

  test('the same input is the same image, on another engine and at another time', async () => {
    const other = new BuildDirectory(elsewhere, variables);
    other.create();
    const epoch = ['--build-arg', 'SOURCE_DATE_EPOCH=1500000000'];
    await write(directory);
    await directory.build(various, ...epoch);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await write(other);
    await other.build(various, ...epoch);
    const format = '{{.Id}} {{.Created}} {{json .RootFS.Layers}}';
    const built = await directory.inspect(format);
    expect(built).toContain(' 2017-07-14T02:40:00.000Z ');
    expect(await other.inspect(format)).toBe(built);
    await directory.build(various, ...epoch, '--no-cache');
    expect(await directory.inspect(format)).toBe(built);
    expect(await directory.run('sh', '-c', 'stat -c %Y /a/b/x /a/old /context/file /made')).toBe(
      '1500000000\n978307200\n1500000000\n1500000000',
    );
    await elsewhere.docker.ok('rmi', 'built');
    other.remove();
  });

  test('what is linked stays when what is below it changes, unless the directories on the way do', async () => {
    directory.write({ 'f': 'text', 'd/one': '1' }); // prettier-ignore
    const lines = (below: string): string[] => [
      'FROM busybox AS other',
      `RUN echo other${api} > /other`,
      'FROM busybox',
      `RUN ${below}`,
      'COPY --link f /tmp/',
      'COPY --link d /home/dir',
      'COPY --link --from=other --chmod=600 /other /link/to',
      'RUN cat /tmp/f /home/dir/one',
    ];
    const build = async (below: string): Promise<{ output: string; layers: string[] }> => {
      const output = await directory.build(lines(below));
      return { output, layers: JSON.parse(await directory.inspect('{{json .RootFS.Layers}}')) as string[] };
    };
    const prepare = 'chmod 1777 /tmp; mkdir -p /home/dir /real; chown 7:8 /home/dir; ln -s /real /link';
    const first = await build(`echo 1${api} > /below; ${prepare}`);
    const second = await build(`echo 2${api} > /below; ${prepare}`);
    expect(second.layers.slice(2, 5)).toEqual(first.layers.slice(2, 5));
    expect(second.layers[1]).not.toBe(first.layers[1]);
    const shown = 'cat /below; stat -c "%a %u:%g" /tmp /home/dir; test -L /link || cat /link/to; ls /real';
    expect(await directory.run('sh', '-c', shown)).toBe(`2${api}\n1777 0:0\n755 7:8\nother${api}`);
    const third = await build(`echo 3${api} > /below; ${prepare}; chmod 700 /home/dir`);
    expect([third.layers[2] === first.layers[2], third.layers[3] === first.layers[3]]).toEqual([true, false]);
    expect(await directory.run('stat', '-c', '%a', '/home/dir')).toBe('700');
  });

  test('an image of another engine brings its steps along', async () => {
    const other = new BuildDirectory(elsewhere, variables);
    other.create();
    const lines = ['FROM busybox', `RUN echo ${api} && cat /proc/sys/kernel/random/uuid > /id`, 'COPY file /f', 'RUN cat /f > /g', 'ENV A=b']; // prettier-ignore
    other.write({ file: 'one' });
    directory.write({ file: 'one' });
    await other.build(lines, '--build-arg', 'BUILDKIT_INLINE_CACHE=1');
    const id = await other.run('cat', '/id');
    const archived = (await elsewhere.docker.runBinary(['save', 'built'])).stdout;
    await engine.docker.okWith({ input: archived }, 'load');
    await engine.docker.ok('tag', 'built', 'cached');
    await engine.docker.ok('rmi', 'built');
    const used = await directory.build(lines, '--cache-from', 'cached');
    expect(used).not.toMatch(/Running in/);
    expect(await directory.run('cat', '/id', '/g')).toBe(`${id}\none`);
    directory.write({ file: 'two' });
    await directory.build(lines, '--cache-from', 'cached');
    expect(await directory.run('cat', '/id', '/g')).toBe(`${id}\ntwo`);
    await engine.docker.ok('rmi', 'cached');
    await elsewhere.docker.ok('rmi', 'built');
    other.remove();
  });

  test('a cache that is not there, or no cache, is not missed', async () => {
    await directory.build(['FROM busybox', 'RUN true'], '--cache-from', 'localhost:1/none', '--cache-from', 'busybox');
  });
});

describe('classic', () => {
  const directory = useBuildDirectory(engine, { DOCKER_BUILDKIT: '0' });

  test('--squash makes one layer of what stands on the base, and what was removed is not in it', async () => {
    const lines = ['FROM busybox', 'RUN echo kept > /kept; echo c2VjcmV0LW9mLWEtbGF5ZXI= | base64 -d > /gone; mkdir /d; touch /d/x; chown 3:4 /d', 'RUN rm /gone /d/x /etc/group', 'ENV A=b', 'CMD ls /d; cat /kept; stat -c %u:%g /d; ls /gone /etc/group 2>&1 | wc -l']; // prettier-ignore
    const query = 't=built&squash=1';
    const layers = async (image: string): Promise<string[]> => JSON.parse(await engine.docker.ok('image', 'inspect', '--format', '{{json .RootFS.Layers}}', image)); // prettier-ignore
    directory.write({ Dockerfile: lines.join('\n') });
    const answer = await engine.client.send('POST', `/build?${query}`, execFileSync('tar', ['-C', directory.path, '-c', '.'])); // prettier-ignore
    expect(answer.body.toString()).toContain('Successfully tagged built:latest');
    const [base, squashed] = [await layers('busybox'), await layers('built')];
    expect(squashed.slice(0, base.length)).toEqual(base);
    expect(squashed).toHaveLength(base.length + 1);
    expect(await directory.run()).toBe('kept\n3:4\n2');
    expect((await engine.docker.runBinary(['save', 'built'])).stdout.includes('secret-of-a-layer')).toBe(false);
    expect(await engine.docker.ok('history', '--format', '{{.Comment}}', 'built')).toMatch(/^merge of 2 layers/);
  });

  test('what a step prints as its image is not one that can be run', async () => {
    const output = await directory.build(['FROM busybox', 'RUN echo 1 > /1', 'RUN echo 2 > /2']);
    const [, first = ''] = [...output.matchAll(/^ ---> ([0-9a-f]{12})$/gm)].map(([, id]) => id!);
    expect(await engine.docker.fails('run', '--rm', first, 'true')).toMatch(/No such image|pull access denied|Unable to find/); // prettier-ignore
  });

  test('a failed or cancelled build leaves nothing behind', async () => {
    const { daemon } = engine;
    if (!daemon) return;
    const images = await engine.docker.ok('images', '--all', '--quiet');
    await directory.failure(['FROM busybox', 'RUN echo made > /made', 'RUN exit 1']);
    directory.write({ Dockerfile: 'FROM busybox\nRUN --mount=type=cache,target=/c dd if=/dev/zero of=/big bs=1M count=20; sleep 300\n' }); // prettier-ignore
    await directory.start([directory.path], { timeoutMs: 1500 });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await engine.docker.ok('images', '--all', '--quiet')).toBe(images);
    for (const place of ['containers', 'tmp/images']) expect(readdirSync(join(daemon.dataRoot, place))).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(daemon.dataRoot);
  });
});

function archive(): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: 'in/archive', mtime: new Date(1_600_000_000_000), mode: 0o644 }, 'archived\n');
  tar.finalize();
  return readAll(tar as unknown as AsyncIterable<Buffer>);
}
