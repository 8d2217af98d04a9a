import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { useBuildDirectory } from '../support/build-context.js';
import { FileServer } from '../support/file-server.js';
import { GitRepository } from '../support/git-repository.js';
import { eventually } from '../support/eventually.js';
import { useEngine } from '../support/test-engine.js';

/** Contexts and files that the engine fetches itself, through the classic API. */
const engine = useEngine();
const directory = useBuildDirectory(engine, { DOCKER_BUILDKIT: '0' });

let files: FileServer;
let repository: GitRepository;
let first: string;
/** Serves the repository over git's own protocol. */
let daemon: { url: string; stop: () => void };

beforeAll(async () => {
  const served = join(engine.directory, 'served');
  mkdirSync(served);
  files = await FileServer.start(served);
  repository = new GitRepository(join(served, 'work'));
  const library = new GitRepository(join(served, 'library'));
  library.commit({ 'lib.txt': 'library\n' });
  first = repository.commit({ 'Dockerfile': 'FROM busybox\nCOPY . /c\n', 'text': 'one\n', 'sub/Dockerfile': 'FROM busybox\nCOPY . /sub\n', 'sub/inner': 'inner\n' }); // prettier-ignore
  repository.git('tag', 'v1');
  repository.commit({ text: 'two\n' });
  repository.git('checkout', '--quiet', '-b', 'other', 'v1');
  repository.commit({ text: 'other\n' });
  repository.git('checkout', '--quiet', 'main');
  daemon = await serveGit(served);
});
afterAll(async () => {
  daemon.stop();
  await files.close();
});
beforeEach(() => files.answers.clear());

async function serveGit(base: string): Promise<typeof daemon> {
  const port = await freePort();
  const options = ['--reuseaddr', '--export-all', '--listen=127.0.0.1', `--port=${port}`, `--base-path=${base}`, base];
  const child = spawn('git', ['-c', 'safe.directory=*', 'daemon', ...options], { stdio: 'ignore', detached: true });
  const url = `git://127.0.0.1:${port}`;
  await eventually(
    () => {
      try {
        return execFileSync('git', ['ls-remote', `${url}/work`], { stdio: ['ignore', 'pipe', 'ignore'] }).length > 0;
      } catch {
        return false;
      }
    },
    (ready) => ready,
  );
  return { url, stop: () => process.kill(-child.pid!) };
}

function freePort(): Promise<number> {
  return new Promise((found) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => found(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

const serve = (name: string, content: string | Buffer): string => {
  const path = join(files.directory, name);
  writeFileSync(path, content);
  return path;
};

/** The CLI fetches these itself and sends what it got; other clients leave it to the engine. */
async function remote(location: string, query = ''): Promise<string> {
  const path = `/build?t=built&remote=${encodeURIComponent(location)}${query}`;
  const { status, body } = await engine.client.send('POST', path);
  const text = body.toString();
  if (status !== 200 || text.includes('"errorDetail"')) throw new Error(`${status} ${text}`);
  return text;
}

describe('contexts', () => {
  test('a git repository: its default branch, a branch, a tag, a commit, a directory', async () => {
    const text = async (suffix: string): Promise<string> => {
      await remote(`${daemon.url}/work${suffix}`);
      return directory.run('cat', suffix.includes(':') ? '/sub/inner' : '/c/text');
    };
    expect(await text('')).toBe('two');
    expect(await directory.run('ls', '-A', '/c')).toBe('Dockerfile\nsub\ntext');
    expect(await text('#other')).toBe('other');
    expect(await text('#v1')).toBe('one');
    expect(await text(`#${first}`)).toBe('one');
    expect(await text('#v1:sub')).toBe('inner');
    expect(await text('#:sub')).toBe('inner');
  });

  test('a repository that is served as plain files, with what it is made of', async () => {
    const library = new GitRepository(join(files.directory, 'library'));
    library.publish(join(files.directory, 'library.git'));
    const user = new GitRepository(join(files.directory, 'user'));
    user.commit({ Dockerfile: 'FROM busybox\nCOPY . /c\n', text: 'first\n' });
    const commit = user.git('rev-parse', 'HEAD');
    // The server is in this process: git must not be waited for while it asks it.
    user.git('submodule', '--quiet', 'add', join(files.directory, 'library.git'), 'lib');
    user.git('config', '--file', '.gitmodules', 'submodule.lib.url', `${files.url}/library.git`);
    user.commit({ text: 'second\n' });
    user.publish(join(files.directory, 'plain.git'));
    await remote(`${files.url}/plain.git`);
    expect(await directory.run('cat', '/c/text', '/c/lib/lib.txt')).toBe('second\nlibrary');
    await remote(`${files.url}/plain.git#${commit.slice(0, 10)}`);
    expect(await directory.run('cat', '/c/text')).toBe('first');
  });

  test('what is not there is said in the words of git', async () => {
    await expect(remote(`${daemon.url}/work#nobranch`)).rejects.toThrow(/failed to fetch git:.*nobranch/);
    await expect(remote(`${daemon.url}/work#main:none`)).rejects.toThrow(/none/);
    await expect(remote(`${daemon.url}/absent`)).rejects.toThrow(/failed to fetch git:.*absent/);
    await expect(remote('git://-oProxyCommand=x/y')).rejects.toThrow(/^400|^500/);
  });

  test('an archive, whatever it is compressed with, and a Dockerfile alone', async () => {
    directory.write({
      Dockerfile: 'FROM busybox\nCOPY a /a\n',
      other: 'FROM busybox\nRUN echo other > /o\n',
      a: 'in a tar\n',
    });
    for (const [compression, name] of [
      ['--gzip', 'c.tar.gz'],
      ['--xz', 'c.txz'],
      ['--no-auto-compress', 'c'],
    ] as const) {
      execFileSync('tar', ['-C', directory.path, compression, '-cf', join(files.directory, name), '.']);
      await remote(`${files.url}/${name}`);
      expect(await directory.run('cat', '/a')).toBe('in a tar');
    }
    await remote(`${files.url}/c.tar.gz`, '&dockerfile=other');
    expect(await directory.run('cat', '/o')).toBe('other');
    serve('some.Dockerfile', 'FROM busybox\nRUN echo alone > /alone\n');
    await remote(`${files.url}/some.Dockerfile`);
    expect(await directory.run('cat', '/alone')).toBe('alone');
  });

  test('standard input: an archive or a Dockerfile', async () => {
    directory.write({ Dockerfile: 'FROM busybox\nCOPY a /a\n', a: 'in a tar\n' });
    await directory.ok(['-'], { input: execFileSync('tar', ['-C', directory.path, '-cz', '.']) });
    expect(await directory.run('cat', '/a')).toBe('in a tar');
    await directory.ok(['-'], { input: 'FROM busybox\nRUN echo plain > /p\n' });
    expect(await directory.run('cat', '/p')).toBe('plain');
    await directory.ok(['--file', '-', directory.path], { input: 'FROM busybox\nCOPY a /from-stdin\n' });
    expect(await directory.run('cat', '/from-stdin')).toBe('in a tar');
  });

  test('a server that refuses, or leads to a file of the host, gives no context', async () => {
    files.answers.set('/away', (_, response) => response.writeHead(302, { Location: 'file:///etc/passwd' }).end());
    await expect(remote(`${files.url}/none.tar`)).rejects.toThrow(/the server answers 404/);
    await expect(remote(`${files.url}/away`)).rejects.toThrow(/it leads to file:\/\/\/etc\/passwd/);
    await expect(remote('file:///etc')).rejects.toThrow(/^400.*invalid remote build context/);
  });
});

describe('contexts of BuildKit', () => {
  const buildkit = useBuildDirectory(engine, { DOCKER_BUILDKIT: '1', BUILDKIT_PROGRESS: 'plain' });

  test('a repository, an archive, a Dockerfile alone', async () => {
    await buildkit.ok([`${daemon.url}/work#other`]);
    expect(await buildkit.run('cat', '/c/text')).toBe('other');
    await buildkit.ok([`${daemon.url}/work#v1:sub`]);
    expect(await buildkit.run('cat', '/sub/inner')).toBe('inner');
    buildkit.write({ Dockerfile: 'FROM busybox\nCOPY a /a\n', a: 'in a tar\n' });
    execFileSync('tar', ['-C', buildkit.path, '-czf', join(files.directory, 'kit.tar.gz'), '.']);
    await buildkit.ok([`${files.url}/kit.tar.gz`]);
    expect(await buildkit.run('cat', '/a')).toBe('in a tar');
    serve('kit.Dockerfile', 'FROM busybox\nRUN echo alone > /alone\n');
    await buildkit.ok([`${files.url}/kit.Dockerfile`]);
    expect(await buildkit.run('cat', '/alone')).toBe('alone');
    expect((await buildkit.start([`${daemon.url}/work#nobranch`])).output).toMatch(/failed to fetch git:.*nobranch/);
  });
});

describe('ADD of a URL', () => {
  const stat = (path: string): Promise<string> => directory.run('stat', '-c', '%a %u:%g %Y', path);

  test('has the name, the time and the bytes that the server says, and is for root alone', async () => {
    const path = serve('a.txt', 'remote\n');
    utimesSync(path, 1_000_000_000, 1_000_000_000);
    files.answers.set('/named', (_, response) =>
      response.writeHead(200, { 'Content-Disposition': 'attachment; filename="given.bin"' }).end('named'),
    );
    await directory.build([
      'FROM busybox',
      `ADD ${files.url}/a.txt?x=1 ${files.url}/named /d/`,
      `ADD ${files.url}/a.txt /as`,
    ]);
    expect(await directory.run('cat', '/d/a.txt', '/d/given.bin', '/as')).toBe('remote\nnamedremote');
    expect(await stat('/d/a.txt')).toBe('600 0:0 1000000000');
    expect(await stat('/d/given.bin')).toBe('600 0:0 0');
    await directory.build(['FROM busybox', `ADD --chown=operator --chmod=0644 ${files.url}/a.txt /d/`]);
    expect(await stat('/d/a.txt')).toBe('644 37:37 1000000000');
  });

  test('is as old as its content: the time of the file does not count, and the URL is asked each time', async () => {
    const path = serve('cached.txt', 'same');
    const build = (): Promise<string> =>
      directory.build(['FROM busybox', `ADD ${files.url}/cached.txt /c`, 'RUN cat /c']);
    await build();
    utimesSync(path, 1, 1);
    expect(await build()).not.toContain('Running in');
    serve('cached.txt', 'changed');
    expect(await build()).toContain('Running in');
    expect(await directory.run('cat', '/c')).toBe('changed');
  });

  test('a server that knows versions sends only what has changed, or is needed after all', async () => {
    let version = { tag: '"1"', text: 'one' };
    const asked: (string | undefined)[] = [];
    files.answers.set('/tagged', ({ headers }, response) => {
      asked.push(headers['if-none-match']);
      const isKnown = headers['if-none-match'] === version.tag;
      response.writeHead(isKnown ? 304 : 200, { ETag: version.tag }).end(isKnown ? '' : version.text);
    });
    const build = (before: string): Promise<string> =>
      directory.build(['FROM busybox', `RUN echo ${before}`, `ADD ${files.url}/tagged /t`, 'RUN cat /t']);
    await build('a');
    expect(await build('a')).not.toContain('Running in');
    expect(asked).toEqual([undefined, '"1"']);
    // The step is to be made anew, of a file that is not here.
    expect(await build('b')).toMatch(/one/);
    expect(asked.splice(0)).toEqual([undefined, '"1"', '"1"', undefined]);
    const right = createHash('sha256').update('one').digest('hex');
    await directory.build(['FROM busybox', `ADD --checksum=sha256:${right} ${files.url}/tagged /u`]);
    version = { tag: '"2"', text: 'two' };
    expect(await build('b')).toMatch(/two/);
    expect(asked).toEqual(['"1"', undefined, '"1"']);
    const wrong = directory.failure(['FROM busybox', `ADD --checksum=sha256:${right} ${files.url}/tagged /u`]);
    expect(await wrong).toMatch(/digest mismatch/);
    expect(asked.at(-1)).toBe('"2"');
  });

  test('--checksum', async () => {
    serve('sum.txt', 'summed');
    const right = `sha256:${createHash('sha256').update('summed').digest('hex')}`;
    await directory.build(['FROM busybox', `ARG SUM=${right}`, `ADD --checksum=$SUM ${files.url}/sum.txt /s`]);
    expect(await directory.run('cat', '/s')).toBe('summed');
    const wrong = right.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    expect(await directory.failure(['FROM busybox', `ADD --checksum=${wrong} ${files.url}/sum.txt /s`])).toMatch(
      new RegExp(`digest mismatch.*it is ${right}, expected ${wrong}[\\s\\S]*Dockerfile:2`),
    );
    expect(await directory.failure(['FROM busybox', `ADD --checksum=md5:1 ${files.url}/sum.txt /s`])).toMatch(
      /checksum/,
    );
  });

  test('of an archive is the archive itself, unless it is to be unpacked', async () => {
    directory.write({ 'in/x': 'unpacked' });
    execFileSync('tar', ['-C', join(directory.path, 'in'), '-czf', join(files.directory, 'a.tgz'), 'x']);
    await directory.build(['FROM busybox', `ADD ${files.url}/a.tgz /as/`, `ADD --unpack=true ${files.url}/a.tgz /un/`]);
    expect(await directory.run('sh', '-c', 'ls /as /un; cat /un/x')).toBe('/as:\na.tgz\n\n/un:\nx\nunpacked');
  });

  test('that cannot be had names the line and the reason', async () => {
    expect(await directory.failure(['FROM busybox', `ADD ${files.url}/none /x`])).toMatch(
      /failed to download http.*none: the server answers 404\s+Dockerfile:2 \| ADD http/,
    );
    files.answers.set('/cut', (_, response) => {
      response.writeHead(200, { 'Content-Length': 100 }).write('ten bytes.');
      setTimeout(() => response.destroy(), 50);
    });
    expect(await directory.failure(['FROM busybox', `ADD ${files.url}/cut /x`])).toMatch(/cut.*\s+Dockerfile:2/);
  });
});

describe('ADD of a repository', () => {
  test('has its files, and its history where that is wanted', async () => {
    await directory.build([
      'FROM busybox',
      `ADD ${daemon.url}/work#v1 /plain`,
      `ADD --keep-git-dir=true ${daemon.url}/work#v1 /kept/`,
      `ADD ${daemon.url}/work#v1:sub /sub`,
      `ADD --chown=7:8 ${daemon.url}/work#v1:sub /owned/`,
    ]);
    const shown = await directory.run(
      'sh',
      '-c',
      'cat /plain/text /sub/inner; ls -A /plain /sub; test -d /kept/.git && stat -c %u:%g /owned/inner',
    );
    expect(shown.split('\n')).toEqual(['one', 'inner', '/plain:', 'Dockerfile', 'sub', 'text', '', '/sub:', 'Dockerfile', 'inner', '7:8']); // prettier-ignore
    expect(await directory.run('cat', '/kept/.git/HEAD')).toBe(first);
  });

  test('is as old as its commit', async () => {
    const lines = ['FROM busybox', `ADD --keep-git-dir=true ${daemon.url}/work#other /w`, 'RUN cat /w/text'];
    await directory.build(lines);
    expect(await directory.build(lines)).not.toContain('Running in');
    repository.git('checkout', '--quiet', 'other');
    repository.commit({ text: 'changed\n' });
    repository.git('checkout', '--quiet', 'main');
    expect(await directory.build(lines)).toContain('Running in');
  });

  test('--checksum is the commit', async () => {
    await directory.build(['FROM busybox', `ADD --checksum=${first} ${daemon.url}/work#v1 /w`]);
    const other = '0'.repeat(40);
    expect(await directory.failure(['FROM busybox', `ADD --checksum=${other} ${daemon.url}/work#v1 /w`])).toMatch(
      new RegExp(`${first}.*${other}[\\s\\S]*Dockerfile:2`),
    );
  });
});

describe('through buildx', () => {
  const buildx = async (args: string[], input: string | Buffer = ''): Promise<string> => {
    const options = ['buildx', 'build', '--progress=plain', '--tag', 'built', ...args];
    const { code, stderr } = await engine.docker.run(options, { input });
    if (code !== 0) throw new Error(`docker ${options.join(' ')}: exit code ${code}\n${stderr}`);
    return stderr;
  };
  const list = (path: string): Promise<string> => directory.run('ls', '-A', path);

  test('the Dockerfile of the client goes with a remote context', async () => {
    await buildx(['--file', '-', `${daemon.url}/work#v1`], 'FROM busybox\nCOPY . /own\n');
    expect(await list('/own')).toBe('Dockerfile\nsub\ntext');
    const dockerfile = directory.write({ 'My.Dockerfile': 'FROM busybox\nCOPY text /mine/\n' });
    await buildx(['--file', dockerfile, `${daemon.url}/work#v1`]);
    expect(await list('/mine')).toBe('text');
    await buildx(['--file', 'sub/Dockerfile', `${daemon.url}/work#v1`]);
    expect(await list('/sub/sub')).toBe('Dockerfile\ninner');
  });

  test('the Dockerfile, or the bake file, is at a URL', async () => {
    const dockerfile = 'FROM busybox\nCOPY here /there\n';
    serve('far.Dockerfile', dockerfile);
    directory.write({ here: 'here\n' });
    await buildx(['--file', `${files.url}/far.Dockerfile`, directory.path]);
    expect(await directory.run('cat', '/there')).toBe('here');
    const target = { 'dockerfile-inline': `${dockerfile}RUN echo baked\n`, context: directory.path };
    serve('bake.json', JSON.stringify({ target: { default: target } }));
    const { code, stderr } = await engine.docker.run(['buildx', 'bake', '--progress=plain', `${files.url}/bake.json`], {
      env: { BUILDX_BAKE_ENTITLEMENTS_FS: '0' },
    });
    expect([code, stderr]).toEqual([0, expect.stringContaining('RUN echo baked')]);
  });

  test('the history of a repository is there where that is wanted', async () => {
    await buildx(['--build-arg', 'BUILDKIT_CONTEXT_KEEP_GIT_DIR=1', `${daemon.url}/work#v1`]);
    expect(await list('/c')).toBe('.git\nDockerfile\nsub\ntext');
  });

  test('a named context is a repository', async () => {
    const dockerfile =
      'FROM busybox\nCOPY --from=source text /t\nRUN --mount=from=source,target=/s cp -r /s/sub /sub\n';
    await buildx(['--build-context', `source=${daemon.url}/work#v1`, '-'], dockerfile);
    expect(await directory.run('cat', '/t', '/sub/inner')).toBe('one\ninner');
  });

  test('an archive has all its files, whatever its .dockerignore says', async () => {
    const names = { '.dockerignore': 'Dockerfile\n*.log\n', Dockerfile: 'FROM busybox\nCOPY . /c\n', 'a.log': 'a' };
    directory.write(names);
    const archive = execFileSync('tar', ['-C', directory.path, '-c', ...Object.keys(names)]);
    await buildx(['-'], archive);
    expect(await list('/c')).toBe('.dockerignore\nDockerfile\na.log');
    // Through the classic API it can hide the two files that clients send in any case.
    await directory.ok(['-'], { input: archive });
    expect(await list('/c')).toBe('.dockerignore\na.log');
  });
});

describe('archives of the context', () => {
  const pack = (name: string, ...options: string[]): void => {
    execFileSync('tar', ['-C', join(directory.path, 'in'), '-cf', join(directory.path, name), ...options, 'x']);
  };

  test.each(['--gzip', '--bzip2', '--xz', '--zstd', '--no-auto-compress'])('%s', async (compression) => {
    directory.write({ 'in/x': 'unpacked' });
    pack('archive', compression);
    await directory.build([
      'FROM busybox',
      'ADD archive /un/',
      'ADD --unpack=false archive /as/',
      'COPY archive /copied',
    ]);
    expect(await directory.run('sh', '-c', 'cat /un/x; ls /as; cmp /as/archive /copied')).toBe('unpackedarchive');
  });

  test('a compressed file that is no archive is copied', async () => {
    directory.write({ 'text.gz': gzipSync('only text') });
    await directory.build(['FROM busybox', 'ADD text.gz /t/']);
    expect(await directory.run('sh', '-c', 'zcat /t/text.gz')).toBe('only text');
  });

  test('one that tries to leave its place stays in the image, or is refused', async () => {
    const outside = join(engine.directory, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'kept'), 'mine');
    const cases = {
      'up.tar': `file("../../../../../../../..${outside}/x")`,
      'absolute.tar': `file("${outside}/x")`,
      'through.tar': `link("away", "${outside}"); file("away/x")`,
      'hard.tar': `link("x", "../../../../../../../..${outside}/kept", tarfile.LNKTYPE)`,
    };
    const outcomes: Record<string, string> = {};
    for (const [name, entries] of Object.entries(cases)) {
      execFileSync('python3', ['-c', `${hostileArchive}\n${entries}\nt.close()`, join(directory.path, name)]);
      const dockerfile = directory.write({ Dockerfile: `FROM busybox\nADD ${name} /h/\n` });
      const { code, output } = await directory.start(['--tag', 'built', '--file', dockerfile, directory.path]);
      outcomes[name] = code === 0 ? await directory.run('find', '/h', '-type', 'f') : output;
    }
    expect(execFileSync('ls', ['-A', outside], { encoding: 'utf8' })).toBe('kept\n');
    expect(outcomes).toEqual({
      'absolute.tar': `/h${outside}/x`,
      'up.tar': expect.stringMatching(/invalid entry name[\s\S]*Dockerfile:2 \| ADD up\.tar/),
      'through.tar': expect.stringMatching(/\/h\/away: No such file[\s\S]*Dockerfile:2/),
      'hard.tar': expect.stringMatching(/invalid hardlink target[\s\S]*Dockerfile:2/),
    });
    rmSync(outside, { recursive: true });
  });
});

/** Writes archives that no tar would. */
const hostileArchive = `
import io, sys, tarfile
t = tarfile.open(sys.argv[1], "w")
def file(name):
    i = tarfile.TarInfo(name); i.size = 7; t.addfile(i, io.BytesIO(b"hostile"))
def link(name, to, kind=tarfile.SYMTYPE):
    i = tarfile.TarInfo(name); i.type = kind; i.linkname = to; t.addfile(i)
`;
