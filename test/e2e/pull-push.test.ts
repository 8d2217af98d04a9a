import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DockerRegistry, htpasswd } from '../support/docker-registry.js';
import { run, skopeo } from '../support/external-command.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();
let directory: string;
let registry: DockerRegistry;
let closed: DockerRegistry;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-registry-e2e-'));
  writeFileSync(join(directory, 'htpasswd'), htpasswd);
  registry = new DockerRegistry();
  closed = new DockerRegistry({
    content: registry,
    auth: { htpasswd: { realm: 'test', path: join(directory, 'htpasswd') } },
  });
  await Promise.all([registry.start(), closed.start()]);
});
afterAll(async () => {
  await Promise.all([registry.stop(), closed.stop()]);
  rmSync(directory, { recursive: true });
});

const busybox = async (name: string): Promise<string> => {
  await engine.docker.ok('tag', 'busybox:latest', name);
  return name;
};

test('what is pushed, skopeo copies and umoci unpacks; what skopeo puts there in other forms, runs', async () => {
  const { docker } = engine;
  const name = await busybox(`${registry.host}/base/busybox:1`);
  const pushed = await docker.ok('push', name);
  const digest = /^1: digest: (sha256:[0-9a-f]{64}) size: \d+$/m.exec(pushed)?.[1];
  expect(digest).toBeDefined();
  const inspected = JSON.parse(await skopeo('inspect', '--tls-verify=false', `docker://${name}`)) as { Digest: string };
  expect(inspected.Digest).toBe(digest);
  expect(await docker.ok('inspect', '--format', '{{join .RepoDigests " "}}', name)).toBe(
    `${registry.host}/base/busybox@${digest}`,
  );
  await skopeo('copy', '--src-tls-verify=false', `docker://${name}`, `oci:${directory}/layout:1`);
  await run('umoci', 'unpack', '--image', `${directory}/layout:1`, `${directory}/bundle`);
  expect(await run(`${directory}/bundle/rootfs/bin/busybox`, 'echo', 'unpacked')).toBe('unpacked\n');
  await docker.ok('rmi', name);

  const forms = [
    ['v2s2', '--format', 'v2s2'],
    ['oci', '--format', 'oci'],
    ['zstd', '--format', 'oci', '--dest-compress-format', 'zstd'],
  ];
  for (const [tag, ...options] of forms) {
    // A layer of its own for each, because skopeo would take over what is there.
    const made = `${directory}/made-${tag}`;
    await run('cp', '-a', `${directory}/layout`, made);
    await run('umoci', 'insert', '--image', `${made}:1`, join(directory, 'htpasswd'), `/etc/${tag}`);
    const target = `${registry.host}/forms/busybox:${tag}`;
    await skopeo('copy', '--dest-tls-verify=false', ...options, `oci:${made}:1`, `docker://${target}`);
    const raw = await skopeo('inspect', '--raw', '--tls-verify=false', `docker://${target}`);
    const form = { v2s2: '.distribution.manifest.v2+json', oci: 'tar+gzip', zstd: 'tar+zstd' }[tag ?? ''];
    expect(raw).toContain(form);
    const output = await docker.ok('run', '--rm', '--network', 'none', target, 'sh', '-c', `cat /etc/${tag}; echo ran`);
    expect(output).toBe(`${htpasswd}ran`);
    await docker.ok('rmi', target);
  }
});

test('--pull says whether the registry is asked', async () => {
  const { docker } = engine;
  const name = await busybox(`${registry.host}/policy/busybox:1`);
  await docker.ok('push', '--quiet', name);
  const start = ['run', '--rm', '--network', 'none'];
  const present = await docker.run([...start, '--pull', 'missing', name, 'true']);
  expect([present.code, present.stderr]).toEqual([0, '']);
  const always = await docker.run([...start, '--pull', 'always', name, 'true']);
  expect(always.stderr).toContain(`Status: Image is up to date for ${name}`);
  await docker.ok('rmi', name);
  expect(await docker.fails('create', '--pull', 'never', name, 'true')).toContain(`No such image: ${name}`);
  const missing = await docker.run([...start, '--pull', 'missing', name, 'true']);
  expect(missing.code).toBe(0);
  expect(missing.stderr).toContain(`Unable to find image '${name}' locally`);
  expect(missing.stderr).toContain(`Status: Downloaded newer image for ${name}`);
  expect(await docker.ok('pull', '--quiet', name)).toBe(name);
  await docker.ok('rmi', name);
});

test('all tags of a repository go and come at once', async () => {
  const { docker } = engine;
  const tags = ['a', 'b'];
  for (const tag of tags) await busybox(`${registry.host}/all/busybox:${tag}`);
  await docker.ok('push', '--all-tags', `${registry.host}/all/busybox`);
  await docker.ok('rmi', ...tags.map((tag) => `${registry.host}/all/busybox:${tag}`));
  await docker.ok('pull', '--all-tags', `${registry.host}/all/busybox`);
  const list = await docker.ok('images', '--format', '{{.Tag}}', `${registry.host}/all/busybox`);
  expect(list.split('\n').sort()).toEqual(tags);
  await docker.ok('rmi', ...tags.map((tag) => `${registry.host}/all/busybox:${tag}`));
});

test('who has logged in may, until he logs out', async () => {
  const { docker } = engine;
  const name = await busybox(`${closed.host}/closed/busybox:1`);
  expect(await docker.fails('push', name)).toContain('no basic auth credentials');
  const wrong = await docker.run(['login', '--username', 'alice', '--password-stdin', closed.host], {
    input: 'guessed',
  });
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('failed with status: 401 Unauthorized')]);
  const right = ['login', '--username', 'alice', '--password-stdin', closed.host];
  expect(await docker.okWith({ input: 'secret' }, ...right)).toContain('Login Succeeded');
  await docker.ok('push', name);
  await docker.ok('rmi', name);
  await docker.ok('pull', name);
  const facts = JSON.parse(await docker.ok('manifest', 'inspect', '--insecure', name)) as { layers: unknown[] };
  expect(facts.layers).toHaveLength(1);
  await docker.ok('logout', closed.host);
  await docker.ok('rmi', name);
  expect(await docker.fails('pull', name)).toContain('no basic auth credentials');
});

test('a pull that is interrupted leaves a daemon that can pull, and a daemon that is killed as well', async () => {
  const { docker, daemon } = engine;
  const name = await busybox(`${registry.host}/killed/busybox:1`);
  await docker.ok('push', name);
  await docker.ok('rmi', name);
  if (daemon) {
    const pulling = docker.run(['pull', name]);
    await daemon.kill();
    await pulling;
    await daemon.start();
  }
  await docker.ok('pull', name);
  expect(await docker.ok('run', '--rm', '--network', 'none', name, 'echo', 'whole')).toBe('whole');
  await docker.ok('rmi', name);
});
