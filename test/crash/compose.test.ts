import { jest } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { timed } from '../bench/statistics.js';
import { ComposeProject } from '../support/compose.js';
import { DockerCli } from '../support/docker-cli.js';
import { expectHostAsItWas, takeSnapshot } from '../support/host-snapshot.js';
import { CrashEngine } from './crash-engine.js';
import { Random } from './random.js';

const ROUNDS = 6;
const SEED = Number(process.env['GANTRY_CRASH_SEED'] ?? Date.now() % 1_000_000);

jest.setTimeout(240_000);

const engine = new CrashEngine();
const docker = new DockerCli(engine.daemon.host);
const random = new Random(SEED);
let project: ComposeProject;

beforeAll(async () => {
  process.stderr.write(`crash test: GANTRY_CRASH_SEED=${SEED}\n`);
  await engine.start();
  project = new ComposeProject({ docker, directory: engine.daemon.root });
  const service = { image: 'busybox', command: ['sleep', '3600'], init: true };
  project.write('compose.yaml', {
    services: {
      db: { ...service, networks: ['back'], volumes: ['data:/data'] },
      app: { ...service, networks: ['front', 'back'], depends_on: ['db'] },
      web: { ...service, networks: ['front'], ports: ['127.0.0.1::80'], depends_on: ['app'] },
    },
    networks: { front: {}, back: { internal: true } },
    volumes: { data: {} },
  });
});
afterAll(async () => {
  docker.dispose();
  await engine.dispose();
});

const up = (): Promise<string> => project.ok('up', '--detach');
const down = (): Promise<string> => project.ok('down', '--volumes', '--timeout', '1');

test('a stack comes up and goes down as if nothing had been, after the daemon was killed in the middle of either', async () => {
  const idle = await takeSnapshot(engine.daemon, engine.daemon.pid);
  const duration = { up: await timed(up), down: await timed(down) };
  for (let round = 0; round < ROUNDS; round++) {
    await killedDuring(['up', '--detach'], duration.up);
    await up();
    expect(await project.processes()).toMatchObject([
      { Service: 'app', State: 'running' },
      { Service: 'db', State: 'running' },
      { Service: 'web', State: 'running' },
    ]);
    await project.ok('exec', '-T', 'app', 'ping', '-c', '1', '-W', '5', 'db');
    await killedDuring(['down', '--volumes', '--timeout', '1'], duration.down);
    await down();
    expect(await engine.names()).toEqual([]);
  }
  await expectHostAsItWas(idle, engine.daemon, engine.daemon.pid);
});

/** Runs a Compose command and kills the daemon at any moment of it; the command may fail or have come to its end. */
async function killedDuring(command: string[], duration: number): Promise<void> {
  const running = project.run(command);
  await delay(random.between(0, Math.ceil(duration)));
  await engine.kill();
  await running;
  await engine.daemon.start();
}
