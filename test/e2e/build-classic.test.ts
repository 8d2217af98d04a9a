import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { useBuildDirectory } from '../support/build-context.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();
const classic = { env: { DOCKER_BUILDKIT: '0' } };

const directory = useBuildDirectory(engine, classic.env);
const write = (files: Record<string, string>): string => directory.write(files);

/** Builds the context with this Dockerfile as `built`. @returns what the CLI prints */
async function build(dockerfile: string, ...options: string[]): Promise<string> {
  write({ Dockerfile: dockerfile });
  return engine.docker.okWith(classic, 'build', '--tag', 'built', ...options, directory.path);
}

const run = (...command: string[]): Promise<string> => directory.run(...command);

async function failure(dockerfile: string, ...options: string[]): Promise<string> {
  write({ Dockerfile: dockerfile });
  const { code, stdout, stderr } = await engine.docker.run(['build', ...options, directory.path], classic);
  if (code === 0) throw new Error(`the build should have failed\n${stdout}${stderr}`);
  return stdout + stderr;
}

const inspect = (format: string): Promise<string> => directory.inspect(format);

const imageId = (output: string): string => /Successfully built (.*)/.exec(output)?.[1] ?? '';

test('tells of its steps as Docker does, and uses them again', async () => {
  write({ file: 'text\n' });
  const dockerfile = [
    'FROM busybox',
    'ENV A=b',
    'RUN echo hello && touch /x',
    'WORKDIR /w',
    'COPY file /d/',
    'CMD ["cat", "/d/file"]',
  ].join('\n');
  const first = await build(dockerfile);
  expect(first).toMatch(/^Step 1\/6 : FROM busybox\n ---> [0-9a-f]{12}$/m);
  expect(first).toMatch(
    /^Step 3\/6 : RUN echo hello && touch \/x\n ---> Running in [0-9a-f]{12}\nhello\n ---> Removed intermediate container [0-9a-f]{12}\n ---> [0-9a-f]{12}$/m,
  );
  expect(first).toMatch(/Successfully built [0-9a-f]{12}\nSuccessfully tagged built:latest/);
  const second = await build(dockerfile);
  expect(second).not.toContain('Running in');
  expect(second).toContain(' ---> Using cache\n');
  expect(imageId(second)).toBe(imageId(first));
  expect(await run()).toBe('text');
});

test('every instruction shows in the image and in what runs of it', async () => {
  const platform = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`;
  await build(
    [
      '# escape=\\',
      `FROM --platform=${platform} busybox AS base`,
      'ARG NAME=world',
      'ENV GREETING="hello ${NAME}" \\',
      '    OTHER=1',
      'LABEL a=1 b="two words"',
      'EXPOSE 80 53/udp',
      'VOLUME ["/data"]',
      'STOPSIGNAL SIGUSR1',
      'MAINTAINER somebody',
      'SHELL ["/bin/sh", "-ec"]',
      'HEALTHCHECK --interval=5s CMD true',
      'USER operator',
      'WORKDIR /work/dir',
      'RUN echo "$GREETING as $(id -un) in $(pwd)" > /tmp/said',
      'ONBUILD RUN echo never',
      'ENTRYPOINT ["/bin/sh", "-c"]',
      'CMD ["cat /tmp/said; pwd; id -un"]',
    ].join('\n'),
    '--build-arg',
    'NAME=you',
  );
  expect(await run()).toBe('hello you as operator in /work/dir\n/work/dir\noperator');
  expect(await inspect('{{json .Config.Labels}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}}')).toBe(
    '{"a":"1","b":"two words"} {"53/udp":{},"80/tcp":{}} {"/data":{}}',
  );
  const format = '{{.Config.StopSignal}} {{json .Config.Shell}} {{json .Config.Healthcheck.Test}} {{.Author}}';
  expect(await inspect(format)).toBe('SIGUSR1 ["/bin/sh","-ec"] ["CMD-SHELL","true"] somebody');
  expect(await inspect('{{json .Config.OnBuild}}')).toBe('["RUN echo never"]');
});

test('RUN takes the shell form, the exec form and here-documents', async () => {
  await build(
    [
      'FROM busybox',
      'RUN ["/bin/sh", "-c", "echo exec > /a"]',
      'RUN <<EOF',
      'echo one > /b',
      'echo two >> /b',
      'EOF',
      'RUN <<EOF',
      '#!/bin/sh',
      'echo script > /s',
      'EOF',
      'RUN cat <<EOF > /c',
      '$USER',
      'EOF',
    ].join('\n'),
  );
  expect(await run('cat', '/a', '/b', '/s', '/c')).toBe('exec\none\ntwo\nscript\n');
});

test('ONBUILD of a base is carried out first', async () => {
  await build('FROM busybox\nONBUILD RUN echo triggered > /t\n');
  await engine.docker.ok('tag', 'built', 'parent');
  expect(await build('FROM parent\nRUN cat /t\n')).toMatch(/# Executing 1 build trigger[\s\S]*^triggered$/m);
  expect(await inspect('{{json .Config.OnBuild}}')).toBe('null');
  await engine.docker.ok('rmi', 'parent');
});

test('COPY finds files, directories and patterns, and gives them owners and modes', async () => {
  write({ 'a.txt': 'a', 'b.txt': 'b', 'c.md': 'c', 'keep.md': 'k', 'dir/one': '1', 'dir/sub/two': '2' });
  write({ '.dockerignore': '*.md\n!keep.md\n' });
  symlinkSync('one', join(directory.path, 'dir/link'));
  chmodSync(join(directory.path, 'a.txt'), 0o750);
  await build(
    [
      'FROM busybox',
      'COPY a.txt /renamed',
      'COPY *.txt /texts/',
      'COPY --chown=operator:staff --chmod=750 dir /dir',
      'COPY --chown=7 --exclude=sub dir /dir2/',
      'COPY --parents dir/./sub/two dir/one /parents/',
      'COPY --link keep.* /etc/',
      'COPY <<ONE <<"TWO" /inline/',
      'value $A',
      'ONE',
      'kept $A',
      'TWO',
      'COPY . /all/',
    ].join('\n'),
  );
  const shown = await run(
    'sh',
    '-c',
    'ls /texts; stat -c "%a %u:%g %n" /renamed /dir /dir/one /dir/sub/two /dir2/one; readlink /dir/link; ' +
      'find /parents -type f | sort; ls /etc/keep.md /etc/passwd; ls /dir2; cat /inline/*; ls -A /all',
  );
  expect(shown.split('\n')).toEqual([
    'a.txt',
    'b.txt',
    '750 0:0 /renamed',
    '755 37:50 /dir',
    '750 37:50 /dir/one',
    '750 37:50 /dir/sub/two',
    '644 7:7 /dir2/one',
    'one',
    '/parents/dir/one',
    '/parents/sub/two',
    '/etc/keep.md',
    '/etc/passwd',
    'link',
    'one',
    'value ',
    'kept $A',
    '.dockerignore',
    'Dockerfile',
    'a.txt',
    'b.txt',
    'dir',
    'keep.md',
  ]);
});

test('ADD unpacks archives of the context', async () => {
  write({ 'in/x': 'content' });
  execFileSync('tar', ['-C', join(directory.path, 'in'), '-czf', join(directory.path, 'a.tar.gz'), 'x']);
  await build('FROM busybox\nADD a.tar.gz /un/\nCOPY a.tar.gz /as/\nADD in/x /plain\n');
  expect(await run('sh', '-c', 'cat /un/x /plain; ls /as')).toBe('contentcontenta.tar.gz');
});

test('a link in the context or in an image leads nowhere outside of it', async () => {
  symlinkSync('/etc/hostname', join(directory.path, 'out'));
  symlinkSync('/', join(directory.path, 'root'));
  expect(await failure('FROM busybox\nCOPY out /x\n')).toMatch(/not found[\s\S]*Dockerfile:2 \| COPY out \/x/);
  expect(await failure('FROM busybox\nCOPY root/etc/hostname /x\n')).toMatch(/not found/);
  write({ file: 'mine' });
  await build(
    'FROM busybox\nRUN mkdir -p /var/tmp && ln -s ../../../../../../var/tmp /away\nCOPY file /away/gantry-escaped\n',
  );
  expect(await run('cat', '/var/tmp/gantry-escaped')).toBe('mine');
  expect(existsSync('/var/tmp/gantry-escaped')).toBe(false);
});

test('stages: only what the target needs, files of others, independent ones', async () => {
  const dockerfile = [
    'ARG BASE=busybox',
    'FROM ${BASE} AS one',
    'RUN echo 1 > /one',
    'FROM busybox AS two',
    'RUN echo 2 > /two',
    'FROM busybox AS never',
    'RUN exit 9',
    'FROM scratch AS files',
    'COPY --from=one /one /',
    'COPY --from=1 /two /',
    'FROM busybox',
    'COPY --from=files / /files/',
    'COPY --from=busybox /etc/passwd /passwd',
  ].join('\n');
  const output = await build(dockerfile);
  expect(output).not.toContain('exit 9');
  expect(await run('sh', '-c', 'cat /files/one /files/two; head -1 /passwd')).toBe(
    '1\n2\nroot:x:0:0:root:/root:/bin/sh',
  );
  expect(await failure(dockerfile, '--target', 'never')).toMatch(/returned a non-zero code: 9/);
  expect(await failure(dockerfile, '--target', 'none')).toMatch(/target stage "none" could not be found/);
});

test('mounts of RUN: context, stage, cache and tmpfs leave nothing in the image', async () => {
  write({ 'src/file': 'bound' });
  const mounts = [
    'type=bind,source=src,target=/m',
    'from=other,target=/o,rw',
    'type=tmpfs,target=/t',
    'type=cache,target=/cache',
  ].map((mount) => `--mount=${mount}`);
  const dockerfile = (count: number): string =>
    [
      'FROM busybox AS other',
      'RUN echo staged > /s',
      'FROM busybox',
      `RUN ${mounts.join(' ')} cat /m/file /o/s > /got && touch /o/x /t/x && echo ${count} >> /cache/log && cat /cache/log > /log`,
    ].join('\n');
  await build(dockerfile(1));
  await build(dockerfile(2));
  expect(await run('sh', '-c', 'cat /got /log; ls -d /m /o /t /cache 2>&1 | grep -c "No such"')).toBe(
    'boundstaged\n1\n2\n4',
  );
});

test('the cache looks at contents and not at times, and can be turned off', async () => {
  write({ file: '1' });
  const dockerfile = 'FROM busybox\nCOPY file /f\nRUN cat /proc/sys/kernel/random/uuid > /id\n';
  const id = async (...options: string[]): Promise<string> => {
    await build(dockerfile, ...options);
    return run('cat', '/id');
  };
  const first = await id();
  utimesSync(join(directory.path, 'file'), 1, 1);
  expect(await id()).toBe(first);
  expect(await id('--no-cache')).not.toBe(first);
  write({ file: '2' });
  expect(await id()).not.toBe(first);
});

test('ARG counts for the steps behind it, and has to be asked for', async () => {
  const dockerfile = 'FROM busybox\nRUN echo a > /a\nARG V\nRUN echo "v=$V" > /v\n';
  await build(dockerfile, '--build-arg', 'V=1');
  const second = await build(dockerfile, '--build-arg', 'V=2', '--build-arg', 'UNKNOWN=3');
  expect(second).toMatch(/RUN echo a > \/a\n ---> Using cache/);
  expect(second).toContain('[Warning] One or more build-args [UNKNOWN] were not consumed');
  expect(await run('cat', '/v')).toBe('v=2');
});

test('a failure names the file, the line and the line itself', async () => {
  expect(await failure('FROM busybox\nRUN exit 3\n')).toMatch(
    /The command '\/bin\/sh -c exit 3' returned a non-zero code: 3\n.*Dockerfile:2 \| RUN exit 3/,
  );
  expect(await failure('FROM busybox\nFOO bar\n')).toMatch(/line 2: unknown instruction: FOO[\s\S]*2 \| FOO bar/);
  expect(await failure('FROM busybox\nCOPY nothing /x\n')).toMatch(/not found[\s\S]*Dockerfile:2/);
  expect(await failure('FROM busybox\nCOPY --chown=nobody-here . /x\n')).toMatch(/nobody-here[\s\S]*Dockerfile:2/);
});

test('options of the client reach the steps and the image', async () => {
  const options = [
    ...['--label', 'x=y', '--quiet', '--network', 'none', '--add-host', 'h:1.2.3.4'],
    ...['--shm-size', '1m', '--ulimit', 'nofile=77:77', '--memory', '64m'],
  ];
  const step = 'ulimit -n > /u; cat /etc/hosts > /h; df -k /dev/shm > /s; ls /sys/class/net > /n';
  expect(await build(`FROM busybox\nRUN ${step}\n`, ...options)).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(await inspect('{{json .Config.Labels}}')).toBe('{"x":"y"}');
  expect(await run('sh', '-c', 'cat /u /n; grep -c 1.2.3.4 /h; grep -c 1024 /s')).toBe('77\nlo\n1\n1');
});

test('a client that leaves stops the running step within a second', async () => {
  write({ Dockerfile: 'FROM busybox\nRUN echo started; sleep 299\n' });
  const client = engine.docker.run(['build', directory.path], { ...classic, timeoutMs: 2000 });
  while (!isSleeping()) await delay(20);
  await client;
  const left = Date.now();
  while (isSleeping()) {
    expect(Date.now() - left).toBeLessThan(1000);
    await delay(20);
  }
});

/** Ends the daemon in the middle of a build and starts it again. */
async function interrupt(end: () => Promise<void>): Promise<void> {
  const { daemon } = engine;
  if (!daemon) return;
  write({ Dockerfile: 'FROM busybox\nRUN --mount=type=cache,target=/c sleep 299\n' });
  const client = engine.docker.run(['build', directory.path], classic);
  while (!isSleeping()) await delay(20);
  await end();
  const ended = Date.now();
  while (isSleeping()) {
    expect(Date.now() - ended).toBeLessThan(1000);
    await delay(20);
  }
  expect((await client).code).not.toBe(0);
  await daemon.start();
  for (const place of ['containers', 'tmp/images']) expect(readdirSync(join(daemon.dataRoot, place))).toEqual([]);
  expect(existsSync(join(daemon.execRoot, 'build'))).toBe(false);
  await build('FROM busybox\nRUN true\n');
}

test('a daemon that is killed leaves nothing of a build, not even a running step', async () => {
  await interrupt(async () => engine.daemon?.kill());
});

test('a daemon that is stopped ends its builds', async () => {
  await interrupt(async () => engine.daemon?.stop());
});

function isSleeping(): boolean {
  try {
    return execFileSync('pgrep', ['-f', '^sleep 299$']).length > 0;
  } catch {
    return false;
  }
}

test('prune empties the cache, and df tells of it', async () => {
  const dockerfile = 'FROM busybox\nRUN echo pruned > /p\n';
  await build(dockerfile);
  expect(await engine.docker.ok('system', 'df')).toMatch(/Build Cache\s+[1-9]/);
  await engine.docker.ok('rmi', 'built');
  await engine.docker.okWith(classic, 'builder', 'prune', '--all', '--force');
  expect(await engine.docker.ok('system', 'df')).toMatch(/Build Cache\s+0/);
  expect(await build(dockerfile)).toContain('Running in');
});
