import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { dockerArchive, tarOf } from '../support/image-server.js';
import { timed } from '../bench/statistics.js';
import { CrashEngine } from './crash-engine.js';
import { Random } from './random.js';

const ROUNDS = 6;
const SEED = Number(process.env['GANTRY_CRASH_SEED'] ?? Date.now() % 1_000_000);
const FILES = 1500;
const FILE_BYTES = 8192;

jest.setTimeout(120_000);

const engine = new CrashEngine();
const random = new Random(SEED);
let archive: Buffer;
let busybox: Record<'blobs' | 'layers', string[]>;

beforeAll(async () => {
  process.stderr.write(`crash test: GANTRY_CRASH_SEED=${SEED}\n`);
  const content = randomBytes(FILE_BYTES);
  const layer = (name: string): Promise<Buffer> =>
    tarOf(Array.from({ length: FILES }, (_, index) => ({ name: `${name}/${index % 50}/${index}`, content })));
  archive = await dockerArchive({ layers: [await layer('a'), await layer('b')] }, ['loaded']);
  await engine.start();
  busybox = { blobs: stored('blobs/sha256'), layers: stored('layers') };
});
afterAll(() => engine.dispose());

const stored = (name: string): string[] => readdirSync(join(engine.daemon.dataRoot, name)).sort();
const load = (): Promise<number> => timed(() => engine.client.send('POST', '/images/load', archive));

test('a daemon that is killed while it loads an image has all of it or nothing', async () => {
  const duration = await load();
  await expectWhole();
  for (let round = 0; round < ROUNDS; round++) {
    await remove();
    const loading = load().catch(() => undefined);
    await delay(random.between(0, Math.ceil(duration)));
    await engine.kill();
    await loading;
    await engine.daemon.start();
    const { status } = await engine.client.send('GET', '/images/loaded/json');
    if (status === 200) await expectWhole();
    else await expectNothing();
  }
  await remove();
  await load();
  await expectWhole();
});

async function remove(): Promise<void> {
  const { status } = await engine.client.send('DELETE', '/images/loaded');
  expect([200, 404]).toContain(status);
  await expectNothing();
}

async function expectNothing(): Promise<void> {
  const left = await eventually(
    () => ({ blobs: stored('blobs/sha256'), layers: stored('layers'), temporary: stored('tmp/images') }),
    ({ temporary }) => temporary.length === 0,
  );
  expect(left).toEqual({ ...busybox, temporary: [] });
}

/** Every file of both layers is there, in full. */
async function expectWhole(): Promise<void> {
  const request = { Image: 'loaded', Cmd: ['none'], HostConfig: { NetworkMode: 'none' } };
  const { Id } = await engine.client.json<{ Id: string }>('POST', '/containers/create', request);
  const { status, body } = await engine.client.send('GET', `/containers/${Id}/export`);
  expect(status).toBe(200);
  expect(body.length).toBeGreaterThan(2 * FILES * (FILE_BYTES + 512));
  await engine.client.json('DELETE', `/containers/${Id}`);
}
