import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bothApis, useBuildDirectory } from '../support/build-context.js';
import { eventually } from '../support/eventually.js';
import { useEngine } from '../support/test-engine.js';

/** What a RUN mounts, and what it may. */
const engine = useEngine();

describe.each(bothApis)('%s', (_, variables) => {
  const directory = useBuildDirectory(engine, variables);
  /** Beside the tests of the other API, which has the same caches. */
  const api = variables['DOCKER_BUILDKIT'];

  /** A stage of several layers: the upper ones change and hide what the lower one has. */
  const layered = [
    'FROM busybox AS layered',
    'RUN mkdir -p /tree/d && echo 1 > /tree/d/kept && echo 1 > /tree/d/gone && echo 1 > /tree/d/changed',
    'RUN rm /tree/d/gone && echo 2 > /tree/d/changed && ln -s d/changed /tree/link',
  ];

  test('a stage of several layers is shown as it is, whole or in part, a file or through a link', async () => {
    await directory.build([
      ...layered,
      'FROM busybox',
      'RUN --mount=from=layered,target=/all (cd /all/tree/d && ls && cat changed) > /seen',
      'RUN --mount=from=layered,source=/tree/d,target=/m (ls /m; touch /m/x 2>&1) >> /seen; true',
      'RUN --mount=from=layered,source=tree/link,target=/f cat /f >> /seen',
      'RUN --mount=from=busybox,source=/etc,target=/e head -n1 /e/passwd >> /seen',
    ]);
    expect((await directory.run('cat', '/seen')).split('\n')).toEqual([
      ...['changed', 'kept', '2'],
      ...['changed', 'kept', 'touch: /m/x: Read-only file system'],
      '2',
      'root:x:0:0:root:/root:/bin/sh',
    ]);
    expect(await directory.run('sh', '-c', 'ls -d /all /m /f /e 2>/dev/null | wc -l')).toBe('0');
  });

  test('what is written to a mount goes with the step, also to a file', async () => {
    directory.write({ 'src/a': 'context\n' });
    await directory.build([
      ...layered,
      'FROM busybox',
      'RUN --mount=from=layered,source=/tree,target=/m,rw echo 3 > /m/d/changed && rm /m/d/kept && cat /m/d/changed > /seen && ls /m/d >> /seen',
      'RUN --mount=from=layered,source=/tree,target=/m,rw cat /m/d/changed >> /seen && ls /m/d >> /seen',
      'RUN --mount=source=src,target=/c,rw echo mine > /c/a && touch /c/b && cat /c/a >> /seen',
      'RUN --mount=source=src/a,target=/c,rw echo mine >> /c && wc -l < /c >> /seen',
      'RUN --mount=source=src,target=/c ls /c >> /seen && cat /c/a >> /seen',
    ]);
    expect((await directory.run('cat', '/seen')).split('\n')).toEqual([
      ...['3', 'changed'],
      ...['2', 'changed', 'kept'],
      'mine',
      '2',
      ...['a', 'context'],
    ]);
    expect(execFileSync('cat', [join(directory.path, 'src/a')], { encoding: 'utf8' })).toBe('context\n');
  });

  test('somebody who is not root sees the context', async () => {
    directory.write({ file: 'context\n' });
    await directory.build(['FROM busybox', 'USER operator', 'RUN --mount=target=/m cat /m/file > /tmp/seen && stat -c "%a %u:%g" /m/file >> /tmp/seen']); // prettier-ignore
    expect(await directory.run('cat', '/tmp/seen')).toBe('context\n644 0:0');
  });

  test('sources that are not there, or mounted twice, are errors with the line', async () => {
    expect(await directory.failure(['FROM busybox', 'RUN --mount=source=none,target=/m true'])).toMatch(/none[\s\S]*RUN --mount=source=none/); // prettier-ignore
    expect(await directory.failure(['FROM busybox', 'RUN --mount=from=7,target=/m true'])).toMatch(/no stage with this index/); // prettier-ignore
    expect(await directory.failure(['FROM busybox', 'RUN --mount=type=bing,target=/m true'])).toMatch(/unsupported mount type "bing": use bind, cache, tmpfs, secret or ssh/); // prettier-ignore
  });

  test('a tmpfs has its size, and is empty', async () => {
    await directory.build(['FROM busybox', 'RUN --mount=type=tmpfs,target=/tmp,size=3m df -k /tmp | tail -n1 | awk \'{print $2}\' > /size; ls -A /tmp | wc -l >> /size']); // prettier-ignore
    expect(await directory.run('cat', '/size')).toBe('3072\n0');
  });

  test('a cache begins with the files of its source, and has mode and owner', async () => {
    const mount = `--mount=type=cache,id=filled${api},target=/c,from=layered,source=/tree/d,mode=0750,uid=37,gid=50`;
    await directory.build([
      ...layered,
      'FROM busybox',
      `RUN ${mount} stat -c "%a %u:%g" /c > /seen && cat /c/changed >> /seen && echo cached > /c/changed`,
      `RUN ${mount} cat /c/changed >> /seen`,
      `RUN --mount=type=cache,id=filled${api},target=/other ls -A /other | wc -l >> /seen`,
    ]);
    expect(await directory.run('cat', '/seen')).toBe('750 37:50\n2\ncached\n0');
  });

  /** Two stages that use a cache at the same time, as far as it lets them; each says whether the other was there. */
  const together = (sharing: string): string[] => {
    const mount = `--mount=type=cache,id=${sharing}${api},target=/c,sharing=${sharing}`;
    const step = (own: string, other: string): string =>
      `RUN ${mount} touch /c/${own}; for i in 1 2 3 4 5; do sleep 0.1; test -e /c/${other} && echo met > /${own}; done; rm /c/${own}; touch /${own}`;
    return ['FROM busybox AS a', step('a', 'b'), 'FROM busybox AS b', step('b', 'a'), 'FROM busybox', 'COPY --from=a /a /', 'COPY --from=b /b /']; // prettier-ignore
  };

  test.each([
    ['shared', 'met\nmet'],
    ['private', ''],
    ['locked', ''],
  ])('a cache that is %s', async (sharing, met) => {
    await directory.build(together(sharing));
    expect(await directory.run('cat', '/a', '/b')).toBe(met);
  });

  test('steps that want the same locked caches do not wait for each other for ever', async () => {
    const [one, two] = ['one', 'two'].map((id) => `--mount=type=cache,sharing=locked,id=${id}${api},target=/${id}`);
    await directory.build([
      'FROM busybox AS a',
      `RUN ${one} ${two} sleep 0.2`,
      `RUN ${one} --mount=type=cache,sharing=locked,id=one${api},target=/again touch /one/x && test -e /again/x && touch /a`,
      'FROM busybox AS b',
      `RUN ${two} ${one} sleep 0.2`,
      'FROM busybox',
      'COPY --from=a /a /',
      'RUN --mount=from=b,target=/b true',
    ]);
  });

  test('a client that leaves while it waits for a locked cache lets go of it', async () => {
    const mount = `--mount=type=cache,sharing=locked,id=waited${api},target=/c`;
    directory.write({
      first: `FROM busybox\nRUN ${mount} touch /c/first; while ! test -e /c/end; do sleep 0.05; done\n`,
      second: `FROM busybox\nRUN ${mount} echo second\n`,
      third: `FROM busybox\nRUN --mount=type=cache,id=waited${api},target=/c while ! test -e /c/first; do sleep 0.05; done\n`,
      end: `FROM busybox\nRUN --mount=type=cache,id=waited${api},target=/c touch /c/end\n`,
    });
    const start = (name: string, timeoutMs = 30_000): ReturnType<typeof directory.start> =>
      directory.start(['--no-cache', '--file', join(directory.path, name), directory.path], { timeoutMs });
    const first = start('first');
    await start('third');
    expect((await start('second', 1000)).code).not.toBe(0);
    await start('end');
    expect((await first).code).toBe(0);
    expect((await start('second')).code).toBe(0);
  });

  test('networks: none has only the loopback, host needs no more than is given', async () => {
    await directory.build(['FROM busybox', 'RUN --network=none ls /sys/class/net > /none', 'RUN ls /sys/class/net > /default']); // prettier-ignore
    expect(await directory.run('cat', '/none')).toBe('lo');
    expect(await directory.run('cat', '/default')).toContain('eth0');
    expect(await directory.failure(['FROM busybox', 'RUN --network=other true'])).toMatch(/invalid network mode: "other": use default, none or host/); // prettier-ignore
    const own = readdirSync('/sys/class/net').sort().join('\n');
    await directory.build(['FROM busybox', 'RUN --network=host ls /sys/class/net > /host'], ...(api === '1' ? ['--allow=network.host'] : [])); // prettier-ignore
    expect(await directory.run('sort', '/host')).toBe(own);
  });

  test('--security=insecure is refused unless it is allowed', async () => {
    const lines = ['FROM busybox', 'RUN --security=insecure grep CapEff /proc/self/status > /caps'];
    expect(await directory.failure(lines)).toMatch(
      /granting entitlement security\.insecure is not allowed: build with --allow security\.insecure[\s\S]*RUN --security=insecure/,
    );
    if (api === '0') return;
    await directory.build(lines, '--allow=security.insecure');
    const own = execFileSync('grep', ['CapEff', '/proc/self/status'], { encoding: 'utf8' }).trim();
    expect(await directory.run('cat', '/caps')).toBe(own);
  });
});

test('nothing of a step is mounted when it has ended', async () => {
  const { daemon } = engine;
  if (!daemon) return;
  await eventually(
    () => execFileSync('cat', ['/proc/self/mountinfo'], { encoding: 'utf8' }).includes(daemon.dataRoot),
    (mounted) => !mounted,
  );
  expect(readdirSync(join(daemon.dataRoot, 'tmp/images'))).toEqual([]);
});
