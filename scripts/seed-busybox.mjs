// Makes a busybox:latest image from the static busybox of this machine: nothing is downloaded, and equal busyboxes make
// equal archives. See scripts/seed-busybox.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';

const busybox = process.env.BUSYBOX ?? '/bin/busybox';
const created = '2024-01-01T00:00:00Z';
const mtime = new Date(created);
const architectures = { x64: 'amd64', arm64: 'arm64' };

const passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
operator:x:37:37:Operator:/var:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;
const group = `root:x:0:
daemon:x:1:
bin:x:2:
tty:x:5:
audio:x:29:operator
www-data:x:33:
operator:x:37:
staff:x:50:operator
nobody:x:65534:
`;
const directories = {
  'bin/': 0o755,
  'dev/': 0o755,
  'etc/': 0o755,
  'home/': 0o755,
  'root/': 0o700,
  'tmp/': 0o1777,
  'usr/': 0o755,
  'usr/bin/': 0o755,
  'usr/sbin/': 0o755,
  'var/': 0o755,
  'var/tmp/': 0o1777,
};

function addRootFileSystem(archive) {
  for (const [name, mode] of Object.entries(directories)) archive.entry({ name, type: 'directory', mode, mtime });
  archive.entry({ name: 'bin/busybox', mode: 0o755, mtime }, readFileSync(busybox));
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).split('\n');
  for (const applet of applets.filter((name) => name !== '' && name !== 'busybox').sort()) {
    archive.entry({ name: `bin/${applet}`, type: 'link', linkname: 'bin/busybox', mode: 0o755, mtime });
  }
  archive.entry({ name: 'etc/passwd', mode: 0o644, mtime }, passwd);
  archive.entry({ name: 'etc/group', mode: 0o644, mtime }, group);
}

function configuration(layerDigest) {
  return JSON.stringify({
    architecture: architectures[process.arch] ?? process.arch,
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['sh'] },
    created,
    history: [{ created, created_by: 'static busybox of this machine' }],
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [`sha256:${layerDigest}`] },
  });
}

async function tar(fill) {
  const archive = pack();
  fill(archive);
  archive.finalize();
  const chunks = [];
  for await (const chunk of archive) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function imageArchive() {
  const layer = await tar(addRootFileSystem);
  const layerDigest = sha256(layer);
  const config = Buffer.from(configuration(layerDigest));
  const [configPath, layerPath] = [sha256(config), layerDigest].map((hex) => `blobs/sha256/${hex}`);
  return tar((archive) => {
    archive.entry({ name: configPath, mtime }, config);
    archive.entry({ name: layerPath, mtime }, layer);
    const manifest = [{ Config: configPath, RepoTags: ['busybox:latest'], Layers: [layerPath] }];
    archive.entry({ name: 'manifest.json', mtime }, JSON.stringify(manifest));
  });
}

function load(archive, socketPath) {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/x-tar', 'Content-Length': archive.length };
    const outgoing = request({ socketPath, method: 'POST', path: '/images/load?quiet=1', headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => {
        const failed = response.statusCode !== 200 || text.includes('errorDetail');
        if (failed) reject(new Error(`the image could not be loaded: ${response.statusCode} ${text.trim()}`));
        else resolve();
      });
    });
    outgoing.on('error', reject);
    outgoing.end(archive);
  });
}

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const isSocket = (path) => statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;

try {
  const target = process.argv[2] ?? '';
  const archive = await imageArchive();
  if (isSocket(target)) await load(archive, target);
  else await pipeline([archive], target === '-' ? process.stdout : createWriteStream(target));
} catch (error) {
  console.error(`seed-busybox: ${error.message}`);
  process.exitCode = 1;
}
