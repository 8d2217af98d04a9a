import { execFileSync } from 'node:child_process';
import { useEngine } from '../support/test-engine.js';

/** A shim, a network and a bundle are made at the same time: whichever fails, nothing of the others stays. */
const engine = useEngine();
const PORT = 18_093;
const published = ['--publish', `127.0.0.1:${PORT}:80`];

/** That nothing else of an attempt is left is what the engine of every test insists on at its end. */
async function failsToStart(): Promise<string> {
  const message = await engine.docker.fails('start', 'box');
  await engine.docker.ok('run', '--rm', ...published, 'busybox', 'true');
  return message;
}

test('a bundle that cannot be written leaves no shim and no network, and a later start works', async () => {
  await engine.docker.ok('create', '--name', 'donor', '--ipc', 'shareable', 'busybox', 'sleep', '300');
  await engine.docker.ok('create', '--name', 'box', '--ipc', 'container:donor', ...published, 'busybox', 'true');
  for (let i = 0; i < 3; i++) expect(await failsToStart()).toMatch(/cannot join IPC of a non running container/);
  await engine.docker.ok('start', 'donor');
  await engine.docker.ok('start', '--attach', 'box');
});

test('the same without a network, where the shim is started first', async () => {
  await engine.docker.ok('create', '--name', 'donor', '--ipc', 'shareable', 'busybox', 'sleep', '300');
  const joining = ['--network', 'none', '--ipc', 'container:donor'];
  await engine.docker.ok('create', '--name', 'box', ...joining, 'busybox', 'true');
  for (let i = 0; i < 3; i++) expect(await failsToStart()).toMatch(/cannot join IPC of a non running container/);
  await engine.docker.ok('start', 'donor');
  await engine.docker.ok('start', '--attach', 'box');
});

test('a network that cannot be made leaves no bundle and no shim', async () => {
  const bridge = `fs${process.pid}`.slice(0, 15);
  await engine.docker.ok('network', 'create', '--opt', `com.docker.network.bridge.name=${bridge}`, 'cut');
  await engine.docker.ok('create', '--name', 'box', '--network', 'cut', ...published, 'busybox', 'true');
  execFileSync('ip', ['link', 'delete', bridge]);
  expect(await failsToStart()).toContain('failed to create task for container');
});

test('a command that is not there leaves no shim behind its answer', async () => {
  await engine.docker.ok('create', '--name', 'box', ...published, 'busybox', 'no-such-command');
  for (let i = 0; i < 3; i++) expect(await failsToStart()).toContain('no-such-command');
});
