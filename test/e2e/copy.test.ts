import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { extract, pack } from 'tar-stream';
import { readAll } from '../support/raw-http.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();
let here = '';
let count = 0;

beforeEach(() => {
  here = join(engine.directory, `copy-${++count}`);
  mkdirSync(here);
});

/** Runs a script to its end in a container `box`, which then has the files that the script made. */
async function box(script: string): Promise<void> {
  await engine.docker.ok('run', '--name', 'box', 'busybox', 'sh', '-c', script);
}

async function boxRunning(script = 'true'): Promise<void> {
  await engine.docker.ok('run', '-d', '--name', 'box', 'busybox', 'sh', '-c', `${script}; sleep 300`);
  await engine.docker.ok('exec', 'box', 'true');
}

const cp = (...args: string[]): Promise<string> => engine.docker.ok('cp', '--quiet', ...args);

describe('out of a container', () => {
  test('a file: content, mode and time', async () => {
    await box('echo content > /file; chmod 640 /file; touch -d "2020-02-03 04:05:06" /file');
    await cp('box:/file', join(here, 'copied'));
    expect(readFileSync(join(here, 'copied'), 'utf8')).toBe('content\n');
    expect(statSync(join(here, 'copied')).mode & 0o777).toBe(0o640);
    expect(statSync(join(here, 'copied')).mtime.toISOString()).toBe('2020-02-03T04:05:06.000Z');
  });

  test('a directory: under its name, or with /. its contents', async () => {
    await box('mkdir -p /tree/deep/er; echo leaf > /tree/deep/er/leaf; ln -s deep /tree/link');
    await cp('box:/tree', here);
    expect(readFileSync(join(here, 'tree/deep/er/leaf'), 'utf8')).toBe('leaf\n');
    expect(readlinkSync(join(here, 'tree/link'))).toBe('deep');
    mkdirSync(join(here, 'contents'));
    await cp('box:/tree/.', join(here, 'contents'));
    expect(existsSync(join(here, 'contents/deep/er/leaf'))).toBe(true);
  });

  test('a symlink as itself, or with -L what it points to', async () => {
    await box('echo target > /target; ln -s /target /link');
    await cp('box:/link', join(here, 'as-link'));
    expect(lstatSync(join(here, 'as-link')).isSymbolicLink()).toBe(true);
    await cp('-L', 'box:/link', join(here, 'as-file'));
    expect(readFileSync(join(here, 'as-file'), 'utf8')).toBe('target\n');
  });

  test('a link that points out of the container stays inside', async () => {
    await box(
      'mkdir /way; ln -s /etc /way/out; ln -s ../../../../../../../../etc /way/up; echo inner > /etc/only-inside',
    );
    await cp('box:/way/out/only-inside', join(here, 'one'));
    await cp('box:/way/up/only-inside', join(here, 'two'));
    expect(readFileSync(join(here, 'one'), 'utf8') + readFileSync(join(here, 'two'), 'utf8')).toBe('inner\ninner\n');
  });

  test('the files of /etc that the engine writes, also when it has stopped; a mount hides none below another', async () => {
    await engine.docker.ok('volume', 'create', 'outer');
    const mounts = ['-v', 'inner:/data/inner', '-v', 'outer:/data'];
    const names = ['--hostname', 'called', '--add-host', 'elsewhere:192.0.2.9'];
    const script = 'echo below > /data/inner/file; cat /etc/hosts > /seen; echo own >> /etc/hosts';
    await engine.docker.ok('run', '--name', 'box', ...mounts, ...names, 'busybox', 'sh', '-c', script);
    for (const name of ['hostname', 'hosts', 'resolv.conf']) await cp(`box:/etc/${name}`, here);
    await cp('box:/seen', here);
    await cp('box:/data/inner/file', here);
    const read = (name: string): string => readFileSync(join(here, name), 'utf8');
    expect([read('hostname'), read('hosts'), read('file')]).toEqual(['called\n', `${read('seen')}own\n`, 'below\n']);
    expect(read('hosts')).toContain('192.0.2.9\telsewhere');
    expect(read('resolv.conf')).not.toBe('');
  });

  test('- writes an archive', async () => {
    await box('mkdir /tree; echo leaf > /tree/leaf');
    const { stdout } = await engine.docker.runBinary(['cp', 'box:/tree', '-']);
    expect(await entries(stdout)).toEqual({ 'tree/': '', 'tree/leaf': 'leaf\n' });
  });

  test('what does not exist is named', async () => {
    await box('true');
    expect(await engine.docker.fails('cp', 'box:/nowhere', here)).toMatch(
      /Could not find the file \/nowhere in container box/,
    );
  });

  test('from a running container, out of a volume and a tmpfs too', async () => {
    await engine.docker.ok(
      'run',
      '-d',
      '--name',
      'box',
      '-v',
      '/data',
      'busybox',
      'sh',
      '-c',
      'echo v > /data/v; sleep 300',
    );
    await cp('box:/data/v', here);
    expect(readFileSync(join(here, 'v'), 'utf8')).toBe('v\n');
  });
});

describe('into a container', () => {
  test('a file to a new name, into a directory, and over a file', async () => {
    await boxRunning();
    writeFileSync(join(here, 'file'), 'first');
    await cp(join(here, 'file'), 'box:/new-name');
    await cp(join(here, 'file'), 'box:/tmp');
    writeFileSync(join(here, 'file'), 'second');
    await cp(join(here, 'file'), 'box:/tmp/');
    expect(await engine.docker.ok('exec', 'box', 'cat', '/new-name', '/tmp/file')).toBe('firstsecond');
  });

  test('a tree, into a container that was never started', async () => {
    await engine.docker.ok('create', '--name', 'box', 'busybox', 'cat', '/srv/tree/deep/leaf');
    mkdirSync(join(here, 'tree/deep'), { recursive: true });
    writeFileSync(join(here, 'tree/deep/leaf'), 'leaf');
    symlinkSync('deep/leaf', join(here, 'tree/link'));
    await cp(join(here, 'tree'), 'box:/tmp/');
    await cp('box:/tmp/tree/link', join(here, 'back'));
    expect(readlinkSync(join(here, 'back'))).toBe('deep/leaf');
  });

  test('through a link in the container, which cannot lead out', async () => {
    const name = `gantry-escape-${process.pid}`;
    await box('ln -s /tmp /way; ln -s ../../../../../../tmp /up');
    writeFileSync(join(here, name), 'x');
    await cp(join(here, name), 'box:/way/');
    await cp(join(here, name), `box:/up/${name}-2`);
    expect(existsSync(join('/tmp', name))).toBe(false);
    expect(existsSync(join('/tmp', `${name}-2`))).toBe(false);
    expect(await engine.docker.ok('diff', 'box')).toContain(`A /tmp/${name}`);
  });

  test('- reads an archive; owners are those of the archive', async () => {
    await boxRunning();
    const archive = pack();
    archive.entry({ name: 'owned', uid: 37, gid: 50, mode: 0o600 }, 'by 37');
    archive.entry({ name: 'dir/', type: 'directory' });
    archive.entry({ name: 'dir/inner' }, 'in');
    archive.finalize();
    const input = await readAll(archive as unknown as AsyncIterable<Buffer>);
    expect((await engine.docker.run(['cp', '-', 'box:/tmp'], { input })).stderr).toBe('');
    expect(await engine.docker.ok('exec', 'box', 'stat', '-c', '%u:%g %a', '/tmp/owned')).toBe('37:50 600');
    expect(await engine.docker.ok('exec', 'box', 'cat', '/tmp/dir/inner')).toBe('in');
  });

  test('a hostile archive writes nothing outside', async () => {
    await boxRunning();
    const victim = `/var/tmp/gantry-victim-${process.pid}`;
    const archive = pack();
    archive.entry({ name: 'out', type: 'symlink', linkname: '/var/tmp' });
    archive.entry({ name: `out/gantry-victim-${process.pid}` }, 'x');
    archive.entry({ name: `../../../../../..${victim}` }, 'x');
    archive.finalize();
    const input = await readAll(archive as unknown as AsyncIterable<Buffer>);
    await engine.docker.run(['cp', '-', 'box:/tmp'], { input });
    expect(existsSync(victim)).toBe(false);
  });

  test('a directory cannot replace a file', async () => {
    await boxRunning('echo x > /file');
    mkdirSync(join(here, 'dir'));
    expect(await engine.docker.fails('cp', join(here, 'dir'), 'box:/file')).toMatch(
      /cannot copy directory|not a directory/i,
    );
  });

  test('a read-only root and a read-only volume refuse', async () => {
    await engine.docker.ok('run', '-d', '--read-only', '--name', 'box', 'busybox', 'sleep', '300');
    writeFileSync(join(here, 'file'), 'x');
    expect(await engine.docker.fails('cp', join(here, 'file'), 'box:/tmp')).toMatch(/read-only/);
  });
});

async function entries(archive: Buffer): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const reader = extract();
  reader.end(archive);
  for await (const entry of reader) {
    found[entry.header.name] = (await readAll(entry as unknown as AsyncIterable<Buffer>)).toString();
  }
  return found;
}
