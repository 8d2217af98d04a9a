import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBuildDirectory } from '../support/build-context.js';
import { useEngine } from '../support/test-engine.js';

/** What only clients of BuildKit can give to a build. */
const engine = useEngine();
const directory = useBuildDirectory(engine, { DOCKER_BUILDKIT: '1', BUILDKIT_PROGRESS: 'plain' });

const secret = 'a-secret-that-nobody-else-has';
let secrets: string;
beforeAll(() => {
  secrets = join(engine.directory, 'secrets');
  mkdirSync(secrets);
  writeFileSync(join(secrets, 's'), secret);
});
const given = (id = 's'): string => `--secret=id=${id},src=${join(secrets, 's')}`;

test('a secret is a file or a variable, whose, and with which mode', async () => {
  await directory.build(
    [
      'FROM busybox',
      'RUN --mount=type=secret,id=s stat -c "%a %u:%g" /run/secrets/s > /seen; wc -c < /run/secrets/s >> /seen',
      'USER operator',
      'RUN --mount=type=secret,id=s,target=/etc/token,mode=0440,uid=37,gid=50 stat -c "%a %u:%g" /etc/token > /tmp/seen && wc -c < /etc/token >> /tmp/seen',
      'RUN --mount=type=secret,id=s,env=TOKEN echo ${#TOKEN} >> /tmp/seen; test -e /run/secrets/s || echo no file >> /tmp/seen',
      'RUN --mount=type=secret,id=s,env=TOKEN,target=here echo ${#TOKEN} >> /tmp/seen',
      'RUN test -z "$TOKEN"',
    ],
    given(),
  );
  const length = String(secret.length);
  expect((await directory.run('cat', '/seen', '/tmp/seen')).split('\n')).toEqual([
    ...['400 0:0', length],
    ...['440 37:50', length],
    ...[length, 'no file'],
    length,
  ]);
  expect(await directory.run('sh', '-c', 'ls -d /run 2>/dev/null | wc -l')).toBe('0');
});

test('a secret that is required has to be there', async () => {
  const lines = (required: string): string[] => ['FROM busybox', `RUN --mount=type=secret,id=none${required} test ! -e /run/secrets/none`]; // prettier-ignore
  await directory.build(lines(''));
  expect(await directory.failure(lines(',required=true'))).toMatch(/secret none: not found/);
  await directory.ok(['--secret=id=none,env=GIVEN', '--file', directory.write({ Dockerfile: 'FROM busybox\nRUN --mount=type=secret,id=none,required test $(cat /run/secrets/none) = value\n' }), directory.path], { env: { GIVEN: 'value' } }); // prettier-ignore
});

test('a secret is nowhere when the build has ended, and another one changes nothing', async () => {
  const lines = [
    'FROM busybox AS base',
    'RUN --mount=type=secret,id=s --mount=type=secret,id=s,env=TOKEN --mount=type=cache,target=/cache test "$(cat /run/secrets/s)" = "$TOKEN" && echo used > /used',
    'FROM base',
    'COPY . /context',
    'RUN --mount=type=secret,id=s wc -c < /run/secrets/s > /count',
  ];
  await directory.build(lines, given());
  const { daemon } = engine;
  if (daemon) {
    for (const place of [daemon.dataRoot, daemon.execRoot]) {
      expect(spawnSync('grep', ['-r', '-l', '--text', '--devices=skip', secret, place], { encoding: 'utf8' }).stdout).toBe(''); // prettier-ignore
    }
  }
  expect((await engine.docker.runBinary(['save', 'built'])).stdout.includes(secret)).toBe(false);
  expect(await engine.docker.ok('history', '--no-trunc', 'built')).not.toContain(secret);
  writeFileSync(join(secrets, 's'), `${secret}-changed`);
  expect(await directory.build(lines, given())).toMatch(/CACHED/);
  expect(await directory.run('cat', '/count')).toBe(String(secret.length));
  writeFileSync(join(secrets, 's'), secret);
});

test('an agent is a socket of whom the mount says; one that is required has to be given', async () => {
  const lines = ['FROM busybox', 'USER operator', 'RUN --mount=type=ssh,required,uid=37,mode=0600,target=/tmp/a test -S /tmp/a && test "$SSH_AUTH_SOCK" = /tmp/a && stat -c "%a %u" /tmp/a > /tmp/seen']; // prettier-ignore
  expect(await directory.failure(lines)).toMatch(/unable to find SSH agent "default": give one with --ssh/);
  const [, pid = ''] = /SSH_AGENT_PID=(\d+)/.exec(execFileSync('ssh-agent', ['-a', join(secrets, 'agent')], { encoding: 'utf8' }))!; // prettier-ignore
  try {
    await directory.build(lines, `--ssh=default=${join(secrets, 'agent')}`);
    expect(await directory.run('cat', '/tmp/seen')).toBe('600 37');
  } finally {
    process.kill(Number(pid));
    rmSync(join(secrets, 'agent'), { force: true });
  }
});

test('--no-cache-filter carries out the stages that it names, and what stands on them', async () => {
  const random = 'cat /proc/sys/kernel/random/uuid >';
  const lines = ['FROM busybox AS one', `RUN ${random} /one`, 'FROM busybox AS two', `RUN ${random} /two`, 'FROM busybox', 'COPY --from=one /one /', 'COPY --from=two /two /']; // prettier-ignore
  const build = async (...options: string[]): Promise<string[]> => {
    await directory.build(lines, ...options);
    return (await directory.run('cat', '/one', '/two')).split('\n');
  };
  const [one, two] = await build();
  expect(await build()).toEqual([one, two]);
  const [kept, changed] = await build('--no-cache-filter=two');
  expect(kept).toBe(one);
  expect(changed).not.toBe(two);
});

test('the same Dockerfile is the same image through both APIs', async () => {
  directory.write({ 'd/a': 'a', 'd/b': 'b' });
  const lines = ['FROM busybox AS x', 'ARG V=1', 'RUN echo $V > /v', 'FROM x', 'COPY --chown=1:2 d /d', 'COPY <<E /e', 'text', 'E', 'ENV A=b', 'RUN rm /d/a', 'CMD ["x"]']; // prettier-ignore
  const options = ['--build-arg=SOURCE_DATE_EPOCH=1', '--no-cache', '--provenance=false'];
  await directory.build(lines, ...options);
  const id = await directory.inspect('{{.Id}}');
  await engine.docker.okWith({ env: { DOCKER_BUILDKIT: '0' } }, 'build', '--tag', 'built', ...options.slice(0, 2), directory.path); // prettier-ignore
  expect(await directory.inspect('{{.Id}}')).toBe(id);
});
