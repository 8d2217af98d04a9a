import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bothApis, BuildDirectory, useBuildDirectory } from '../support/build-context.js';
import { SLOWNESS } from '../support/slowness.js';
import { useEngine } from '../support/test-engine.js';
import { importTestRoot } from '../support/test-root.js';

/** Real programs, built from an image of the distribution's own packages. */
const engine = useEngine();
beforeAll(async () => {
  await importTestRoot('tools', engine.socketPath);
  await makeNodeImage();
}, 400_000 * SLOWNESS);

/** `node`: a node and an npm that need nothing of the image, those of this machine. */
async function makeNodeImage(): Promise<void> {
  const directory = new BuildDirectory(engine, { DOCKER_BUILDKIT: '0' });
  directory.create();
  cpSync(process.execPath, join(directory.path, 'node/bin/node'));
  const npm = dirname(dirname(realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim())));
  // Debian's has what it needs beside it.
  const isWhole = existsSync(join(npm, 'node_modules'));
  cpSync(isWhole ? npm : dirname(npm), join(directory.path, isWhole ? 'node/lib/npm' : 'node/lib'), {
    recursive: true,
  });
  await directory.build(['FROM tools', 'COPY node /usr/local', 'ENV NODE_PATH=/usr/local/lib']);
  await engine.docker.ok('tag', 'built', 'node');
  directory.remove();
}

describe.each(bothApis)('%s', (_, variables) => {
  const directory = useBuildDirectory(engine, variables);
  const api = variables['DOCKER_BUILDKIT'];

  test('a C program: compiled in one stage, alone in the next', async () => {
    directory.write({
      'Makefile': 'CFLAGS = -O2 -DNAME=\\"$(NAME)\\"\nhello: hello.o text.o\n\t$(CC) -static -o $@ $^\n',
      'hello.c': '#include <stdio.h>\nconst char *text(void);\nint main(void) { printf("%s %s\\n", text(), NAME); return 0; }\n',
      'text.c': 'const char *text(void) { return "hello"; }\n',
      '.dockerignore': '*.o\n',
      'text.o': 'not of this machine',
    }); // prettier-ignore
    const lines = [
      'FROM tools AS build',
      'WORKDIR /src',
      'COPY Makefile .',
      'COPY *.c ./',
      'ARG NAME=nobody',
      `RUN --mount=type=cache,target=/objects,id=objects${api} make hello && cp *.o /objects/ && ls /objects`,
      'FROM scratch',
      'COPY --from=build /src/hello /hello',
      'ENTRYPOINT ["/hello"]',
    ];
    await directory.build(lines, '--build-arg', 'NAME=world');
    expect(await directory.run()).toBe('hello world');
    const size = Number(await directory.inspect('{{.Size}}'));
    expect(size).toBeLessThan(2_000_000);
    directory.write({ 'text.c': 'const char *text(void) { return "goodbye"; }\n' });
    await directory.build(lines, '--build-arg', 'NAME=world');
    expect(await directory.run()).toBe('goodbye world');
    directory.write({ 'text.c': 'const char *text(void) { return oops; }\n' });
    expect(await directory.failure(lines)).toMatch(/text\.c:1:.*error: .oops. undeclared[\s\S]*RUN --mount=type=cache/);
  });

  test(
    'an npm project: its packages are cached, its tools are not in the result',
    async () => {
      directory.write({
      'app/package.json': JSON.stringify({
        name: 'app',
        version: '1.0.0',
        dependencies: { greeting: 'file:./greeting.tgz' },
        scripts: { build: 'node build.js' },
      }),
      'app/build.js': "require('fs').writeFileSync('dist.js', `console.log(${JSON.stringify(require('greeting')('npm'))})`)",
      'greeting/package/package.json': JSON.stringify({ name: 'greeting', version: '2.0.0', main: 'index.js' }),
      'greeting/package/index.js': "module.exports = (name) => 'hello ' + name",
    }); // prettier-ignore
      execFileSync('tar', [
        '-C',
        join(directory.path, 'greeting'),
        '-czf',
        join(directory.path, 'app/greeting.tgz'),
        'package',
      ]);
      const lines = [
        'FROM node AS packages',
        'WORKDIR /app',
        'COPY app/package.json app/*.tgz ./',
        `RUN --mount=type=cache,target=/root/.npm,id=npm${api} node /usr/local/lib/npm/bin/npm-cli.js install --offline --no-audit --no-fund --no-update-notifier && ls /root/.npm/_cacache`,
        'COPY app .',
        'RUN node /usr/local/lib/npm/bin/npm-cli.js run build',
        'FROM tools',
        'COPY --from=node /usr/local/bin/node /usr/local/bin/',
        'COPY --from=packages /app/dist.js /app/',
        'USER nobody',
        'CMD ["node", "/app/dist.js"]',
      ];
      await directory.build(lines);
      expect(await directory.run()).toBe('hello npm');
      expect(
        await directory.run('sh', '-c', 'ls /usr/local/lib/npm /root/.npm 2>&1 | grep -c "No such\\|cannot"'),
      ).toBe('2');
      // Another source file: the packages are installed already.
      directory.write({ 'app/build.js': "require('fs').writeFileSync('dist.js', 'console.log(2)')" });
      const again = await directory.build(lines);
      if (api === '0') expect(again).toMatch(/npm-cli\.js install.*\n ---> Using cache/);
      else expect(again).toMatch(/CACHED/);
      expect(await directory.run()).toBe('2');
    },
    120_000 * SLOWNESS,
  );

  test('a Python application: a package installed with pip, run as somebody', async () => {
    directory.write({
      'setup.py': "from setuptools import setup\nsetup(name='greet', version='1.0', py_modules=['greet'])\n",
      'greet.py': 'def greet(name):\n    return f"hello {name}"\n',
      'main.py': 'import os, sys\nfrom greet import greet\nprint(greet(sys.argv[1]), os.getuid())\n',
    });
    await directory.build([
      'FROM tools AS build',
      'WORKDIR /src',
      'RUN --mount=target=.,rw python3 -m pip install --no-index --no-build-isolation --no-deps --target=/packages .',
      'FROM tools',
      'RUN useradd --uid 1234 --create-home app',
      'COPY --from=build --chown=app /packages /home/app/packages',
      'COPY --chown=app:app --chmod=u=r,go= main.py /home/app/',
      'USER app',
      'WORKDIR /home/app',
      'ENV PYTHONPATH=/home/app/packages PYTHONDONTWRITEBYTECODE=1',
      'ENTRYPOINT ["python3", "main.py"]',
      'CMD ["python"]',
    ]);
    expect(await directory.run()).toBe('hello python 1234');
    expect(await directory.run('you')).toBe('hello you 1234');
  });
});
