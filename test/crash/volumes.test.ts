import { jest } from '@jest/globals';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expectHostAsItWas, takeSnapshot, type HostSnapshot } from '../support/host-snapshot.js';
import { CrashEngine } from './crash-engine.js';
import { Random } from './random.js';

const ROUNDS = Number(process.env['GANTRY_CRASH_ROUNDS'] ?? 5);
const SEED = Number(process.env['GANTRY_CRASH_SEED'] ?? Date.now() % 1_000_000);
/** A volume at /bin holds all that the container runs: half filled, it shows. */
const COUNT = 'ls /bin | wc -l';

jest.setTimeout(60_000 + ROUNDS * 10_000);

const random = new Random(SEED);
const engine = new CrashEngine();
let idle: HostSnapshot;
let programs = 0;

beforeAll(async () => {
  process.stderr.write(`crash test: GANTRY_CRASH_SEED=${SEED} GANTRY_CRASH_ROUNDS=${ROUNDS}\n`);
  await engine.start();
  idle = await takeSnapshot(engine.daemon, engine.daemon.pid);
});
afterAll(() => engine.dispose());

test(`killed ${ROUNDS} times, volumes are filled wholly or not yet, shared mounts stay, and no garbage does`, async () => {
  programs = Number(await output('counter', COUNT));
  expect(programs).toBeGreaterThan(100);
  await createVolume('memory', { type: 'tmpfs', device: 'tmpfs' });
  await engine.run('holder', 'echo held > /m/x; exec sleep 3600', { Binds: ['memory:/m'] });
  for (let round = 1; round <= ROUNDS; round++) {
    const answered = await killDuringUse(round);
    const volumes = await volumeNames();
    for (const name of answered) expect(volumes).toContain(name);
    await expectFilled();
    expect(await volumeNames({ dangling: ['true'], label: ['com.docker.volume.anonymous'] })).toEqual([]);
    expect(await output('reader', 'cat /m/x', { Binds: ['memory:/m:ro'] })).toBe('held');
    await removeAllBut('holder', 'memory');
    expect(readdirSync(join(engine.daemon.dataRoot, 'volumes'))).toEqual(['memory']);
  }
  await engine.remove('holder');
  expect(await output('reader', 'ls /m', { Binds: ['memory:/m'] })).toBe('');
  await removeAllBut();
  await expectHostAsItWas(idle, engine.daemon, engine.daemon.pid);
});

/** Answers the volumes that the daemon had said it made, and was not asked to remove. */
async function killDuringUse(round: number): Promise<Set<string>> {
  const made = new Set<string>();
  const use = async (index: number): Promise<void> => {
    for (let step = 0; ; step++) {
      const name = `r${round}-${index}-${step}`;
      await createVolume(name);
      made.add(name);
      await engine.create(`copier-${name}`, `[ $(${COUNT}) -eq ${programs} ]`, { Binds: [`${name}:/bin`] });
      await engine.run(`user-${name}`, 'true', { Binds: ['memory:/m'], AutoRemove: true });
      // A directory of the host cannot be replaced: it is filled in place, where a part would show.
      const device = join(engine.daemon.root, 'devices', name);
      mkdirSync(device, { recursive: true });
      await createVolume(`${name}-device`, { type: 'none', o: 'bind', device });
      made.add(`${name}-device`);
      const anonymous = ['/anonymous', `${name}-device:/bin`];
      await engine.create(`copier-${name}-device`, `[ $(${COUNT}) -eq ${programs} ]`, { Binds: anonymous });
      await engine.run(`passing-${name}`, 'true', { Binds: ['/anonymous'], AutoRemove: true });
      await createVolume(`${name}-passing`);
      await engine.client.json('DELETE', `/volumes/${name}-passing`);
    }
  };
  const uses = [0, 1, 2].map((index) => use(index).catch(() => undefined));
  await delay(random.between(30, 600));
  await engine.kill();
  await Promise.all(uses);
  await engine.daemon.start();
  return made;
}

async function expectFilled(): Promise<void> {
  for (const name of (await engine.names()).filter((each) => each.startsWith('copier-'))) {
    await engine.startContainer(name);
    expect([name, await engine.wait(name)]).toEqual([name, 0]);
  }
}

async function output(name: string, script: string, hostConfig: object = {}): Promise<string> {
  await engine.run(name, script, hostConfig);
  await engine.wait(name);
  const log = await engine.log(name);
  await engine.remove(name);
  return log.trim();
}

async function createVolume(Name: string, DriverOpts?: object): Promise<void> {
  await engine.client.json('POST', '/volumes/create', { Name, DriverOpts });
}

async function volumeNames(filters = {}): Promise<string[]> {
  const path = `/volumes?filters=${encodeURIComponent(JSON.stringify(filters))}`;
  const { Volumes } = await engine.client.json<{ Volumes: { Name: string }[] }>('GET', path);
  return Volumes.map(({ Name }) => Name);
}

async function removeAllBut(...kept: string[]): Promise<void> {
  for (const name of await engine.names()) if (!kept.includes(name)) await engine.remove(name);
  for (const name of await volumeNames()) {
    if (!kept.includes(name)) await engine.client.json('DELETE', `/volumes/${name}`);
  }
}
