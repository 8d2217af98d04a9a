import { chmodSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { bothApis, useBuildDirectory } from '../support/build-context.js';
import { eventually } from '../support/eventually.js';
import { useEngine } from '../support/test-engine.js';

/** Each instruction of the Dockerfile language, shown by what runs of the result. */
const engine = useEngine();

describe.each(bothApis)('%s', (_, variables) => {
  const directory = useBuildDirectory(engine, variables);
  const host = `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}`;

  test('FROM: a stage, scratch, a platform, a variable', async () => {
    await directory.build([
      'ARG IMAGE=busybox TAG',
      'FROM --platform=$BUILDPLATFORM ${IMAGE}:${TAG:-latest} AS Base',
      'RUN echo base > /b',
      'FROM base AS copied',
      'RUN cat /b > /c',
      'FROM scratch',
      'COPY --from=copied / /',
      'CMD ["cat", "/b", "/c"]',
    ]);
    expect(await directory.run()).toBe('base\nbase');
    expect(await directory.failure(['FROM --platform=linux/s390x busybox'])).toMatch(
      /Dockerfile:1 \| FROM --platform|>>> FROM --platform/,
    );
  });

  test('ARG: each stage has its own, and what its base stage has', async () => {
    await directory.build(
      [
        'ARG GLOBAL=global',
        'ARG GIVEN=default',
        'FROM busybox AS base',
        'ARG GLOBAL',
        'ARG OWN=own',
        'RUN echo "$GLOBAL $OWN $GIVEN" > /base',
        'FROM base',
        'ARG GIVEN',
        'ARG LATER=${OWN}-later',
        'RUN echo "$GLOBAL $OWN $GIVEN $LATER" > /child',
        'ENV OWN=env',
        'ARG OWN=again',
        'RUN echo "$OWN" > /env',
        'FROM busybox',
        'COPY --from=1 /base /child /env /',
        'RUN echo "[$GLOBAL$OWN$GIVEN]" > /other',
      ],
      '--build-arg',
      'GIVEN=given',
    );
    expect(await directory.run('cat', '/base', '/child', '/env', '/other')).toBe(
      'global own \nglobal own given own-later\nenv\n[]',
    );
  });

  test('ARG: those of the platform have to be asked for, those of proxies not, and they leave no trace', async () => {
    const lines = [
      'FROM busybox',
      'RUN echo "$TARGETPLATFORM" > /unasked; env | grep -i proxy | sort > /proxies',
      'ARG TARGETPLATFORM BUILDPLATFORM TARGETOS TARGETARCH TARGETVARIANT',
      'RUN echo "$TARGETPLATFORM $BUILDPLATFORM $TARGETOS $TARGETARCH $TARGETVARIANT" > /platform',
    ];
    await directory.build(lines, '--build-arg', 'HTTP_PROXY=http://p:1', '--build-arg', 'no_proxy=here');
    expect(await directory.run('cat', '/unasked', '/proxies')).toBe('\nHTTP_PROXY=http://p:1\nno_proxy=here');
    expect(await directory.run('cat', '/platform')).toBe(`${host} ${host} linux ${host.split('/')[1]} `);
    expect(await engine.docker.ok('history', '--no-trunc', 'built')).not.toMatch(/http:\/\/p:1|no_proxy/);
    expect(await directory.inspect('{{json .Config.Env}}')).not.toMatch(/proxy/i);
    await directory.build(lines, '--build-arg', 'HTTP_PROXY=http://other:1');
    expect(await directory.run('cat', '/proxies')).toBe('HTTP_PROXY=http://p:1\nno_proxy=here');
  });

  test('ENV: values of one instruction do not see each other; modifiers', async () => {
    await directory.build([
      'FROM busybox',
      'ENV abc=hello',
      'ENV abc=bye def=$abc long="a b" esc=a\\ b',
      'ENV file=/p/name.tar.gz',
      'ENV old the "rest" of it',
      'ENV base=${file##*/} stem=${file%%.*} swapped=${file/tar/zip} unset=${none:-no} set=${abc:+yes} one=\\$abc',
    ]);
    expect(
      await directory.run('sh', '-c', 'echo "$abc $def $long $esc $old|$base $stem $swapped $unset $set $one"'),
    ).toBe('bye hello a b a b the rest of it|name.tar.gz /p/name /p/name.zip.gz no yes $abc');
  });

  test('WORKDIR: is made, relative to the one before, with variables; belongs to root', async () => {
    await directory.build(['FROM busybox', 'ENV D=/dir', 'USER operator', 'WORKDIR $D/a', 'WORKDIR b/../c', 'CMD pwd; stat -c %u:%g .']); // prettier-ignore
    expect(await directory.run()).toBe('/dir/a/c\n0:0');
  });

  test('USER: with group, by number; steps and containers are whoever it is', async () => {
    await directory.build(['FROM busybox', 'USER operator:staff', 'RUN touch /tmp/made && id > /tmp/id', 'USER 7:8', 'CMD id -u; id -g; stat -c %U:%G /tmp/made']); // prettier-ignore
    expect(await directory.run()).toBe('7\n8\noperator:staff');
    expect(await directory.failure(['FROM busybox', 'USER nobody-here', 'RUN true'])).toMatch(/nobody-here/);
  });

  test('SHELL, CMD and ENTRYPOINT in both forms', async () => {
    await directory.build(['FROM busybox', 'SHELL ["/bin/sh", "-xc"]', 'RUN echo $0 > /shell', 'ENTRYPOINT ["echo", "entry"]', 'CMD ["default", "$HOME"]']); // prettier-ignore
    expect(await directory.run()).toBe('entry default $HOME');
    expect(await directory.run('given')).toBe('entry given');
    await directory.build(['FROM busybox', 'SHELL ["/bin/sh", "-c", "echo shell; eval \\"$0\\""]', 'CMD echo command']);
    expect(await directory.run()).toBe('shell\ncommand');
    await directory.build(['FROM busybox', 'CMD ["x"]', 'ENTRYPOINT exec echo $0 entry']);
    expect(await directory.run('ignored')).toContain('entry');
  });

  test('an ENTRYPOINT leaves the CMD of its own file, not that of its base', async () => {
    await directory.build(['FROM busybox', 'ENTRYPOINT ["echo", "entry"]']);
    expect(await directory.run()).toBe('entry');
  });

  test('HEALTHCHECK: the container becomes healthy, unless it is turned off', async () => {
    await directory.build(['FROM busybox', 'HEALTHCHECK --interval=100ms --timeout=1s --start-period=1s --start-interval=100ms --retries=2 CMD test -e /ok', 'CMD touch /ok; sleep 100']); // prettier-ignore
    const id = await engine.docker.ok('run', '--detach', 'built');
    await eventually(
      () => engine.docker.ok('inspect', '--format', '{{.State.Health.Status}}', id),
      (status) => status === 'healthy',
    );
    await engine.docker.ok('tag', 'built', 'checked');
    await directory.build(['FROM checked', 'HEALTHCHECK NONE']);
    expect(await directory.inspect('{{json .Config.Healthcheck.Test}}')).toBe('["NONE"]');
    await engine.docker.ok('rm', '--force', id);
    await engine.docker.ok('rmi', 'checked');
  });

  test('STOPSIGNAL: is what docker stop sends', async () => {
    await directory.build(['FROM busybox', 'ARG SIGNAL=USR1', 'STOPSIGNAL SIG$SIGNAL', `CMD ["sh", "-c", "trap 'echo stopped; exit 5' USR1; echo ready; while :; do sleep 0.05; done"]`]); // prettier-ignore
    const id = await engine.docker.ok('run', '--detach', 'built');
    await eventually(
      () => engine.docker.ok('logs', id),
      (text) => text.includes('ready'),
    );
    await engine.docker.ok('stop', '--time', '20', id);
    expect(await engine.docker.ok('logs', id)).toBe('ready\nstopped');
    expect(await engine.docker.ok('inspect', '--format', '{{.State.ExitCode}}', id)).toBe('5');
    expect(await directory.failure(['FROM busybox', 'STOPSIGNAL NOTHING'])).toMatch(/NOTHING[\s\S]*STOPSIGNAL NOTHING/);
  });

  test('EXPOSE: is what -P publishes; LABEL: is what is filtered by; MAINTAINER: is the author', async () => {
    await directory.build(['FROM busybox', 'ARG PORT=81', 'EXPOSE 80 $PORT/udp 90-91', 'LABEL a="one two" b.c=$PORT \\', ' d=e', 'MAINTAINER A B <a@b>', 'CMD sleep 100']); // prettier-ignore
    const id = await engine.docker.ok('run', '--detach', '--publish-all', 'built');
    const ports = [...(await engine.docker.ok('port', id)).matchAll(/^(\S+) -> 0/gm)].map(([, port]) => port);
    expect(ports.sort()).toEqual(['80/tcp', '81/udp', '90/tcp', '91/tcp']);
    expect(await engine.docker.ok('ps', '--quiet', '--no-trunc', '--filter', 'label=a=one two', '--filter', 'label=b.c=81')).toBe(id); // prettier-ignore
    expect(await directory.inspect('{{.Author}} {{json .Config.Labels.d}}')).toBe('A B <a@b> "e"');
  });

  test('VOLUME: a new one has the files of the image', async () => {
    await directory.build(['FROM busybox', 'RUN mkdir /data && echo first > /data/f', 'VOLUME /data "/more"', 'RUN echo second >> /data/f', 'CMD cat /data/f; touch /more/x && mount | grep -c -e " /data " -e " /more "']); // prettier-ignore
    expect(await directory.run()).toBe('first\nsecond\n2');
  });

  test('ONBUILD: is carried out where the image is a base, and once', async () => {
    await directory.build(['FROM busybox', 'ONBUILD COPY file /from-child', 'ONBUILD ARG V=1', 'ONBUILD RUN echo "v$V" > /v', 'ONBUILD USER operator']); // prettier-ignore
    await engine.docker.ok('tag', 'built', 'trigger');
    directory.write({ file: 'child\n' });
    await directory.build(['FROM trigger', 'CMD cat /from-child /v; id -un'], '--build-arg', 'V=2');
    expect(await directory.run()).toBe('child\nv2\noperator');
    await engine.docker.ok('tag', 'built', 'child');
    await directory.build(['FROM child', 'USER root', 'RUN rm /from-child /v']);
    await engine.docker.ok('rmi', 'trigger', 'child');
    expect(await directory.failure(['FROM busybox', 'ONBUILD ONBUILD RUN x'])).toMatch(/Chaining ONBUILD/);
  });

  test('COPY --parents, --exclude and patterns', async () => {
    directory.write({ 'a/b/one.txt': '1', 'a/b/two.md': '2', 'a/c/three.txt': '3', 'a/c/deep/four.txt': '4', 'five.txt': '5', '[x].txt': '6' }); // prettier-ignore
    const files = async (...copies: string[]): Promise<string[]> => {
      await directory.build(['FROM busybox', ...copies]);
      return (await directory.run('sh', '-c', 'cd /to && find . -type f | sort')).split('\n');
    };
    expect(await files('COPY --parents a/*/*.txt five.txt /to/')).toEqual([
      './a/b/one.txt',
      './a/c/three.txt',
      './five.txt',
    ]);
    expect(await files('COPY --parents ./a/./*/*.txt /to/')).toEqual(['./b/one.txt', './c/three.txt']);
    expect(await files('COPY --parents a/**/*.txt /to/')).toEqual([
      './a/b/one.txt',
      './a/c/deep/four.txt',
      './a/c/three.txt',
    ]);
    expect(await files('COPY --exclude=*.md --exclude=c/deep a /to')).toEqual(['./b/one.txt', './c/three.txt', './b/two.md'].sort().filter((name) => name !== '')); // prettier-ignore
    expect(await files('COPY --exclude=**/*.md --exclude=c/deep a /to')).toEqual(['./b/one.txt', './c/three.txt']);
    expect(await files('COPY [[]x].txt ?ive.t?t /to/')).toEqual(['./[x].txt', './five.txt']);
    expect(await files('FROM busybox', 'RUN mkdir -p /src/a/b && touch /src/a/b/f', 'FROM busybox', 'COPY --from=1 --parents /src/./a/b /to/')).toEqual(['./a/b/f']); // prettier-ignore
  });

  test('COPY --chmod in numbers and letters, --chown by names of the image', async () => {
    directory.write({ 'd/run': 'x', 'd/plain': 'y' });
    chmodSync(join(directory.path, 'd/run'), 0o755);
    chmodSync(join(directory.path, 'd/plain'), 0o644);
    await directory.build([
      'FROM busybox',
      'RUN echo "app:x:1234:99:::" >> /etc/passwd && echo "team:x:4321:" >> /etc/group',
      'ARG MODE=u=rwX,go=rX',
      'COPY --chmod=$MODE --chown=app:team d /letters',
      'COPY --chmod=go-rwx,u+s d/run /special',
      'COPY --chmod=4711 --chown=app d/run /number',
    ]);
    expect(
      await directory.run(
        'stat',
        '-c',
        '%a %u:%g %n',
        '/letters',
        '/letters/run',
        '/letters/plain',
        '/special',
        '/number',
      ),
    ).toBe(
      // prettier-ignore
      '755 1234:4321 /letters\n755 1234:4321 /letters/run\n644 1234:4321 /letters/plain\n4700 0:0 /special\n4711 1234:99 /number',
    );
    expect(await directory.failure(['FROM busybox', 'COPY --chmod=u=q d /x'])).toMatch(/u=q/);
  });

  test('COPY --link stands on nothing: it is used again when what is below it changes', async () => {
    directory.write({ file: 'linked' });
    const lines = (text: string): string[] => ['FROM busybox', `RUN echo ${text} > /below`, 'COPY --link --chown=3:4 file /new/dir/', 'RUN cat /below /new/dir/file > /both']; // prettier-ignore
    await directory.build(lines('one'));
    await directory.build(lines('two'));
    expect(await directory.run('sh', '-c', 'cat /both; stat -c %u:%g /new/dir/file /new')).toBe('two\nlinked3:4\n3:4');
  });

  test('COPY keeps links as they are, follows one that is named, and goes through those of the image', async () => {
    directory.write({ 'd/file': 'text' });
    symlinkSync('file', join(directory.path, 'd/link'));
    symlinkSync('d', join(directory.path, 'dir'));
    await directory.build(['FROM busybox', 'RUN mkdir /real && ln -s /real /alias', 'COPY d /copied', 'COPY d/link /followed', 'COPY dir /through', 'COPY d/file /alias/']); // prettier-ignore
    expect(
      await directory.run(
        'sh',
        '-c',
        'readlink /copied/link; cat /followed; test -L /followed; echo $?; ls /through; ls /real; readlink /alias',
      ),
    ).toBe(
      // prettier-ignore
      'file\ntext1\nfile\nlink\nfile\n/real',
    );
  });

  test('here-documents: a script of another interpreter, files with and without variables, several for one command', async () => {
    await directory.build([
      'FROM busybox',
      'ENV NAME=value',
      'RUN <<EOF cat > /one; cat <<FILE > /two',
      'in $NAME',
      'EOF',
      'out \\$NAME',
      'FILE',
      'RUN <<-"END"',
      '\t#!/bin/awk -f',
      '\tBEGIN { print "awk" > "/three" }',
      'END',
      'COPY --chmod=600 <<plain <<"quoted" <<-tabs /files/',
      '$NAME ${NAME:+x}',
      'plain',
      '$NAME',
      'quoted',
      '\ttab',
      'tabs',
      'ADD <<EOF /added',
      'added',
      'EOF',
    ]);
    expect(
      await directory.run(
        'sh',
        '-c',
        'cat /one /two /three /files/plain /files/quoted /files/tabs /added; stat -c %a /files/plain',
      ),
    ).toBe(
      // prettier-ignore
      'in value\nout $NAME\nawk\nvalue x\n$NAME\ntab\nadded\n600',
    );
  });

  test('directives: another escape character', async () => {
    await directory.build([
      '# syntax=docker/dockerfile:1',
      '# escape=`',
      '',
      'FROM busybox',
      'RUN echo one `',
      '  two \\\\ > /o',
      'CMD cat /o',
    ]);
    expect(await directory.run()).toBe('one two \\');
  });

  test('checks warn, and fail the build where that is asked for', async () => {
    const lines = ['FROM busybox', 'CMD echo warned'];
    expect(await directory.build(lines)).toMatch(
      /JSONArgsRecommended: JSON arguments recommended for CMD .*\(line 2\)/,
    );
    expect(await directory.run()).toBe('warned');
    expect(await directory.failure(['# check=error=true', ...lines])).toMatch(/lint violation found for rules: JSONArgsRecommended/); // prettier-ignore
    expect(await directory.build(['# check=skip=JSONArgsRecommended;error=true', ...lines])).not.toMatch(/JSONArgs/);
    expect(await directory.failure(lines, '--build-arg', 'BUILDKIT_DOCKERFILE_CHECK=error=true')).toMatch(
      /lint violation/,
    );
    expect(await directory.failure(['# check=foo=bar', ...lines])).toMatch(/invalid check option "foo"/);
  });

  test.each([
    [['RUN true && \\', '  false'], /exit code:? 1|non-zero code: 1/, 'RUN true && \\'],
    [['RUN ["/no/such", "x"]'], /\/no\/such/, 'RUN ["/no/such", "x"]'],
    [['ENV A'], /ENV must have two arguments/, 'ENV A'],
    [['COPY --chwon=1 a b'], /unknown flag: --chwon: COPY takes/, 'COPY --chwon=1 a b'],
    [['ADD --checksum=sha256:1 a b'], /--checksum needs exactly one remote source/, 'ADD --checksum=sha256:1 a b'],
    [['ENV X="${A?must be set}"'], /A: must be set/, 'ENV X="${A?must be set}"'],
    [['HEALTHCHECK --interval=1 CMD x'], /invalid duration/, 'HEALTHCHECK --interval=1 CMD x'],
    [['SHELL sh -c'], /SHELL requires the arguments to be in JSON form/, 'SHELL sh -c'],
    [['RUN --mount=type=cache true'], /target is required/, 'RUN --mount=type=cache true'],
  ])('%j fails, and says why and where', async (lines, reason, shown) => {
    const output = await directory.failure(['FROM busybox', ...lines]);
    expect(output).toMatch(reason);
    expect(output).toMatch(/Dockerfile:2|line 2/);
    expect(output.split('\n').some((line) => /^ *2 \|/.test(line) || line.includes('Dockerfile:2 |'))).toBe(true);
    expect(output).toContain(shown);
  });
});
