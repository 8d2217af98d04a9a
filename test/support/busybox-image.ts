import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pack, type Pack } from 'tar-stream';
import { RawHttpClient, readAll } from './raw-http.js';

const BUSYBOX = process.env['GANTRY_TEST_BUSYBOX'] ?? '/bin/busybox';
const CREATED = '2024-01-01T00:00:00Z';

const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;
const GROUP = `root:x:0:
daemon:x:1:
audio:x:29:operator
operator:x:37:
staff:x:50:operator
nobody:x:65534:
`;

/** `busybox:latest` as `docker save` would write it, from the static busybox of this machine: nothing is downloaded. */
export async function busyboxArchive(tag = 'busybox:latest'): Promise<Buffer> {
  const layer = await tar(addRootFilesystem);
  const layerDigest = sha256(layer);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      created: CREATED,
      config: { Cmd: ['sh'], Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${layerDigest}`] },
      history: [{ created: CREATED, created_by: 'static busybox of the test machine' }],
    }),
  );
  const configName = `${sha256(config)}.json`;
  const layerName = `${layerDigest}/layer.tar`;
  return tar((archive) => {
    archive.entry({ name: configName }, config);
    archive.entry({ name: `${layerDigest}/`, type: 'directory' });
    archive.entry({ name: layerName }, layer);
    archive.entry(
      { name: 'manifest.json' },
      JSON.stringify([{ Config: configName, RepoTags: [tag], Layers: [layerName] }]),
    );
  });
}

/** Loads `busybox:latest` into an engine that does not have it. */
export async function seedBusybox(socketPath: string): Promise<void> {
  const client = new RawHttpClient(socketPath);
  try {
    const present = await client.send('GET', '/images/busybox:latest/json');
    if (present.status === 200) return;
    const answer = await client.send('POST', '/images/load?quiet=1', await busyboxArchive());
    if (answer.status !== 200) throw new Error(`image load: ${answer.status} ${answer.body.toString()}`);
    await client.json('GET', '/images/busybox:latest/json');
  } finally {
    client.close();
  }
}

function addRootFilesystem(archive: Pack): void {
  const mtime = new Date(CREATED);
  const directories: [string, number][] = [
    ['bin/', 0o755],
    ['dev/', 0o755],
    ['etc/', 0o755],
    ['home/', 0o755],
    ['root/', 0o700],
    ['tmp/', 0o1777],
    ['usr/', 0o755],
    ['usr/sbin/', 0o755],
    ['var/', 0o755],
  ];
  for (const [name, mode] of directories) archive.entry({ name, type: 'directory', mode, mtime });
  archive.entry({ name: 'bin/busybox', mode: 0o755, mtime }, readFileSync(BUSYBOX));
  for (const applet of applets()) {
    archive.entry({ name: `bin/${applet}`, type: 'link', linkname: 'bin/busybox', mode: 0o755, mtime });
  }
  archive.entry({ name: 'etc/passwd', mode: 0o644, mtime }, PASSWD);
  archive.entry({ name: 'etc/group', mode: 0o644, mtime }, GROUP);
}

function applets(): string[] {
  const list = execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' });
  return list.split('\n').filter((name) => name !== '' && name !== 'busybox');
}

async function tar(fill: (archive: Pack) => void): Promise<Buffer> {
  const archive = pack();
  fill(archive);
  archive.finalize();
  return readAll(archive as unknown as AsyncIterable<Buffer>);
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
