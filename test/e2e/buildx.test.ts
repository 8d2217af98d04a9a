import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ComposeProject } from '../support/compose.js';
import { eventually } from '../support/eventually.js';
import { DockerRegistry } from '../support/docker-registry.js';
import { useBuildDirectory } from '../support/build-context.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

const directory = useBuildDirectory(engine, {});
const write = (files: Record<string, string>): string => directory.write(files);

/** What buildx draws of a build that succeeds. */
async function buildx(args: string[], env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await engine.docker.run(['buildx', ...args], { env });
  if (code !== 0) throw new Error(`docker buildx ${args.join(' ')}: exit code ${code}\n${stdout}${stderr}`);
  return stdout + stderr;
}

const build = (dockerfile: string, ...options: string[]): Promise<string> => {
  write({ Dockerfile: dockerfile });
  return buildx(['build', '--progress=plain', '--tag', 'built', ...options, directory.path]);
};

async function failure(dockerfile: string, ...options: string[]): Promise<string> {
  write({ Dockerfile: dockerfile });
  const { code, stderr } = await engine.docker.run(['buildx', 'build', '--progress=plain', ...options, directory.path]);
  expect(code).not.toBe(0);
  return stderr;
}

const run = (...command: string[]): Promise<string> => directory.run(...command);

test('docker build goes through buildx, draws its steps, and uses them again', async () => {
  write({
    Dockerfile: 'FROM busybox AS base\nRUN echo made > /made && echo hello\nFROM base\nCOPY a /a\nENV X=1\n',
    a: 'text\n',
  });
  const { code, stderr } = await engine.docker.run(['build', '--progress=plain', '--tag', 'built', directory.path]);
  expect([code, stderr]).toEqual([0, expect.stringContaining('building with "default" instance using docker driver')]);
  expect(stderr).toMatch(/^#\d+ \[base 2\/2\] RUN echo made > \/made && echo hello$/m);
  expect(stderr).toMatch(/^#\d+ [\d.]+ hello$/m);
  expect(stderr).toMatch(/^#\d+ transferring context: \d+B .*done$/m);
  expect(await run('cat', '/made', '/a')).toBe('made\ntext');
  const again = await buildx(['build', '--progress=plain', '--tag', 'built', directory.path]);
  expect(again).toMatch(/\[base 2\/2\] RUN .*\n#\d+ CACHED/);
  expect(again).not.toMatch(/^#\d+ [\d.]+ hello$/m);
  const rawjson = await buildx(['build', '--progress=rawjson', directory.path]);
  // Old versions of buildx indent it.
  expect(rawjson).toMatch(/"name": ?"\[base 2\/2\] RUN echo made/);
});

test('only what COPY wants and .dockerignore leaves comes over, and of that what has changed', async () => {
  write({
    '.dockerignore': '*.o\n!keep.o\n',
    'd/a': '1',
    'd/b.o': '2',
    'keep.o': '3',
    'x.o': '4',
    big: 'x'.repeat(300_000),
  });
  await build('FROM busybox\nCOPY . /c\n');
  expect((await run('find', '/c', '-type', 'f')).split('\n').sort()).toEqual(
    ['.dockerignore', 'Dockerfile', 'big', 'd/a', 'd/b.o', 'keep.o'].map((name) => `/c/${name}`),
  );
  write({ 'd/a': 'changed' });
  const output = await build('FROM busybox\nCOPY . /c\n');
  expect(output).toMatch(/transferring context: [\d.]+(?:B|kB) .*done/);
  expect(output).not.toMatch(/transferring context: [3-9]\d\d\.?\d*kB/);
  expect(await run('cat', '/c/d/a')).toBe('changed');
});

test('a mistake is shown where it is', async () => {
  const syntax = await failure('FROM busybox\nCOPPY a b\n');
  expect(syntax).toContain('   2 | >>> COPPY a b');
  expect(syntax).toContain('dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)');
  const command = await failure('FROM busybox\nRUN echo before && exit 7\n');
  expect(command).toContain('   2 | >>> RUN echo before && exit 7');
  expect(command).toMatch(/^[\d.]+ before$/m);
  expect(command).toContain('process "/bin/sh -c echo before && exit 7" did not complete successfully: exit code: 7');
  expect(await failure('FROM busybox\n', '--file', join(directory.path, 'none'))).toContain(
    'no such file or directory',
  );
});

test('what is not supported is refused by name', async () => {
  const output = await failure('FROM busybox\n', '--output', 'type=image,name=x,nydus=true');
  expect(output).toContain('the attribute "nydus" of the output "moby" is not supported by Gantry');
  expect(await failure('FROM busybox\n', '--output', 'type=local,mode=delete,dest=/nowhere')).toContain('mode=delete');
});

/** What buildx prints of a request that is no build; undefined of a buildx that has no such requests. */
async function call(request: string, ...options: string[]): Promise<{ code: number; output: string } | undefined> {
  const args = ['buildx', 'build', '--progress=quiet', `--call=${request}`, ...options, directory.path];
  const { code, stdout, stderr } = await engine.docker.run(args);
  return stderr.includes('unknown flag') ? undefined : { code, output: stdout + stderr };
}

test('a Dockerfile is checked, and its arguments and targets are listed, without a build', async () => {
  const lines = [
    '# check=experimental=CopyIgnoredFile',
    'FROM busybox AS base',
    'ENV FOUND=$PATH MISSING=$FOND',
    'COPY a.log /',
    '# tool has the tools',
    'FROM base AS tool',
    '# LEVEL how much of it',
    'ARG LEVEL=3',
    'RUN --mount=type=secret,id=token,required false',
    'FROM missing/image',
    'ENV X=$UNKNOWN',
  ];
  write({ Dockerfile: lines.join('\n'), '.dockerignore': '*.log\n' });
  const checked = await call('check', '--target=tool');
  if (!checked) return;
  expect(checked).toEqual({ code: 1, output: expect.stringContaining('2 warnings have been found') });
  expect(checked.output).toMatch(/UndefinedVar - https:\S+\nUsage of undefined variable '\$FOND'.*\n.*Dockerfile:3\n/);
  expect(checked.output).toMatch(/CopyIgnoredFile - .*\nAttempting to Copy file "a\.log" .*\n.*Dockerfile:4\n/);
  // Its base is not here, and not fetched: what it defines is not known.
  expect((await call('check'))!).toEqual({ code: 0, output: expect.stringContaining('no warnings found') });
  const outline = (await call('outline', '--target=tool', '--build-arg=LEVEL=4'))!.output;
  expect(outline).toMatch(/TARGET: +tool\nDESCRIPTION: has the tools\n/);
  expect(outline).toMatch(/LEVEL +4 +how much of it\n[^]*token +true/);
  const targets = JSON.parse((await call('targets,format=json'))!.output) as { targets: object[] };
  expect(targets.targets).toMatchObject([
    { name: 'base', base: 'busybox' },
    { name: 'tool', description: 'has the tools', base: 'base' },
    { default: true, base: 'missing/image', location: { ranges: [{ start: { line: 10 } }] } },
  ]);
  expect((await call('none'))!.output).toContain('unsupported request frontend.none');
  const mistakes = { 'COPPY a b': 'unknown instruction: COPPY', 'EXPOSE 99999': 'invalid containerPort: 99999' };
  for (const [line, reason] of Object.entries(mistakes)) {
    write({ Dockerfile: `FROM busybox\n${line}\n` });
    const found = (await call('check'))!;
    expect([found.code, found.output.includes(`   2 | >>> ${line}`), found.output]).toEqual([1, true, expect.stringContaining(reason)]); // prettier-ignore
  }
});

test('secrets and agents reach the step that mounts them, and no layer', async () => {
  write({ secret: 's3cret-value\n' });
  const output = await build(
    'FROM busybox\nRUN --mount=type=secret,id=s wc -c < /run/secrets/s\nRUN --mount=type=secret,id=none test ! -e /run/secrets/none\n',
    '--secret',
    `id=s,src=${join(directory.path, 'secret')}`,
  );
  expect(output).toMatch(/^#\d+ [\d.]+ 13$/m);
  const saved = (await engine.docker.runBinary(['save', 'built'])).stdout;
  expect(saved.includes('s3cret-value')).toBe(false);
  const [, socket = '', pid = ''] = /SSH_AUTH_SOCK=([^;]+);.*\n.*SSH_AGENT_PID=(\d+)/.exec(
    execFileSync('ssh-agent', ['-a', join(directory.path, 'agent')], { encoding: 'utf8' }),
  )!;
  try {
    write({ Dockerfile: 'FROM busybox\nRUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo there\n' });
    const args = [
      'build',
      '--progress=plain',
      '--ssh',
      'default',
      '--file',
      join(directory.path, 'Dockerfile'),
      directory.path,
    ];
    expect(await buildx(args, { SSH_AUTH_SOCK: socket })).toMatch(/^#\d+ [\d.]+ there$/m);
  } finally {
    process.kill(Number(pid));
  }
});

test('the result goes to the client as a directory or an archive', async () => {
  write({ a: 'text' });
  const dockerfile =
    'FROM busybox AS b\nRUN mkdir /o && echo x > /o/x && ln /o/x /o/y && ln -s x /o/l && chmod 751 /o/x\nFROM scratch\nCOPY --from=b /o /o\nCOPY a /\n';
  const out = join(directory.path, '..', 'out');
  await build(dockerfile, '--output', `type=local,dest=${out}`);
  expect(readdirSync(out).sort()).toEqual(['a', 'o']);
  expect(readFileSync(join(out, 'o', 'l'), 'utf8')).toBe('x\n');
  expect(statSync(join(out, 'o', 'y')).mode & 0o777).toBe(0o751);
  await build(dockerfile, '--output', `type=tar,dest=${out}.tar`);
  const names = execFileSync('tar', ['-tf', `${out}.tar`], { encoding: 'utf8' })
    .trim()
    .split('\n');
  expect(names.filter((name) => !name.endsWith('/')).sort()).toEqual(['a', 'o/l', 'o/x', 'o/y']);
  rmSync(out, { recursive: true });
});

test('--push pushes what was built; what the image store cannot keep is warned of', async () => {
  const registry = new DockerRegistry();
  await registry.start();
  try {
    const name = `${registry.host}/pushed:1`;
    write({ Dockerfile: 'FROM busybox\nRUN echo 1 > /one\n' });
    const output = await buildx(['build', '--progress=plain', '--tag', name, '--push', directory.path]);
    expect(output).toContain(`naming to ${name}`);
    await engine.docker.ok('rmi', name);
    expect(await engine.docker.ok('run', '--rm', name, 'cat', '/one')).toBe('1');
    await engine.docker.ok('rmi', name);
  } finally {
    await registry.stop();
  }
  const attributes = 'type=image,name=built,compression=zstd,annotation.a=b,rewrite-timestamp=true';
  const warned = await build('FROM busybox\n', '--output', attributes);
  expect(warned).toMatch(/compression=zstd has no effect/);
  expect(warned).toMatch(/annotation\.a=b has no effect/);
});

test('files are put into a directory named after the platform', async () => {
  const out = join(directory.path, '..', 'split');
  const dockerfile = 'FROM scratch\nCOPY Dockerfile /f\n';
  const platform = ['--platform', 'linux/arm/v7'];
  await build(dockerfile, ...platform, '--output', `type=local,platform-split=true,dest=${out}`);
  expect(readdirSync(join(out, 'linux_arm_v7'))).toEqual(['f']);
  await build(dockerfile, ...platform, '--output', `type=tar,platform-split=true,dest=${out}.tar`);
  expect(execFileSync('tar', ['-tf', `${out}.tar`], { encoding: 'utf8' })).toContain('linux_arm_v7/f\n');
  rmSync(out, { recursive: true });
});

test('the id of the image is told in all the ways there are', async () => {
  const [idFile, metadataFile] = [join(directory.path, 'id'), join(directory.path, 'metadata')];
  await build('FROM busybox\nLABEL a=b\n', '--iidfile', idFile, '--metadata-file', metadataFile, '--label', 'c=d');
  const id = await engine.docker.ok('image', 'inspect', '--format', '{{.Id}} {{json .Config.Labels}}', 'built');
  expect(id).toBe(`${readFileSync(idFile, 'utf8')} {"a":"b","c":"d"}`);
  expect(JSON.parse(readFileSync(metadataFile, 'utf8'))).toMatchObject({
    'containerimage.digest': readFileSync(idFile, 'utf8'),
    'containerimage.config.digest': readFileSync(idFile, 'utf8'),
    'image.name': expect.stringContaining('docker.io/library/built'),
  });
});

test('the context can come from standard input', async () => {
  write({ a: 'from a tar\n', Dockerfile: 'FROM busybox\nCOPY a /a\n' });
  const tar = execFileSync('tar', ['-C', directory.path, '-cf', '-', '.']);
  const { code, stderr } = await engine.docker.run(['buildx', 'build', '--tag', 'built', '-'], { input: tar });
  expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
  expect(await run('cat', '/a')).toBe('from a tar');
  const alone = await engine.docker.run(['buildx', 'build', '--tag', 'built', '-'], {
    input: 'FROM busybox\nRUN echo in > /in\n',
  });
  expect(alone.code).toBe(0);
  expect(await run('cat', '/in')).toBe('in');
});

test('bake builds several targets, one of them from another', async () => {
  write({
    a: 'text\n',
    'docker-bake.json': JSON.stringify({
      group: { default: { targets: ['app', 'tool'] } },
      target: {
        base: { 'dockerfile-inline': 'FROM busybox\nRUN echo base > /b\n', context: directory.path },
        app: {
          'dockerfile-inline': 'FROM base\nRUN cat /b > /app\n',
          context: directory.path,
          contexts: { base: 'target:base' },
          tags: ['app'],
        },
        tool: {
          'dockerfile-inline': 'FROM busybox\nARG V\nCOPY a /\nRUN echo $V > /v\n',
          context: directory.path,
          tags: ['tool'],
          args: { V: '7' },
        },
      },
    }),
  });
  // Not every version of buildx asks whether files outside the working directory may be read.
  const env = { BUILDX_BAKE_ENTITLEMENTS_FS: '0' };
  await buildx(['bake', '--progress=plain', '--file', join(directory.path, 'docker-bake.json')], env);
  expect(await engine.docker.ok('run', '--rm', 'app', 'cat', '/app', '/b')).toBe('base\nbase');
  expect(await engine.docker.ok('run', '--rm', 'tool', 'cat', '/a', '/v')).toBe('text\n7');
  await engine.docker.ok('rmi', 'app', 'tool');
});

test('a named context is a directory or an image', async () => {
  write({ 'other/file': 'other\n' });
  await build(
    'FROM start\nCOPY --from=files file /f\n',
    '--build-context',
    `files=${join(directory.path, 'other')}`,
    '--build-context',
    'start=docker-image://busybox',
  );
  expect(await run('cat', '/f')).toBe('other');
});

test('Compose builds', async () => {
  const project = new ComposeProject(engine);
  project.write('compose.yaml', { services: { one: { build: { context: '.', args: { A: 'b' } } } } });
  project.write('Dockerfile', 'FROM busybox\nARG A\nRUN echo $A > /a\nCMD ["cat", "/a"]\n');
  expect(await project.ok('run', '--build', '--rm', '--quiet-pull', 'one')).toContain('b');
  await project.ok('down', '--rmi', 'local');
});

test('the cache is listed and removed; the engine is a builder', async () => {
  await build('FROM busybox\nRUN --mount=type=cache,target=/k echo 1 > /k/1; echo only-for-du > /x\n');
  expect(await buildx(['ls'])).toMatch(/default\*?\s+docker/);
  expect(await buildx(['inspect', 'default'])).toMatch(/Status:\s+running/);
  const listed = await buildx(['du', '--verbose']);
  expect(listed).toMatch(/Description:\s+.*only-for-du/);
  expect(listed).toMatch(/Type:\s+exec\.cachemount/);
  expect(listed).toMatch(/Type:\s+source\.local|Type:\s+regular/);
  await buildx(['prune', '--force', '--filter', 'type=exec.cachemount']);
  expect(await buildx(['du', '--verbose'])).not.toMatch(/exec\.cachemount/);
  await buildx(['prune', '--all', '--force']);
  expect(await buildx(['du'])).toMatch(/Total:\s+0B/);
});

test('a client that leaves stops the step within a second', async () => {
  write({ Dockerfile: `FROM busybox\nRUN sleep ${seconds}\n` });
  const session = engine.docker.session('buildx', 'build', '--progress=plain', directory.path);
  await eventually(sleeping, (found) => found);
  session.kill('SIGINT');
  const started = Date.now();
  while (sleeping() && Date.now() - started < 5000) await delay(20);
  expect(Date.now() - started).toBeLessThan(1000);
  expect(await session.exitCode()).not.toBe(0);
});

/** Nobody else on this machine sleeps as long. */
const seconds = 100_000 + process.pid;

/** Whether the command of the step runs on this host. */
function sleeping(): boolean {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1') === `sleep\0${seconds}\0`;
      } catch {
        return false;
      }
    });
}
