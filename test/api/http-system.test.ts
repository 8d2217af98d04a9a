import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readInvocation } from '../../daemon/config/invocation.js';
import { Events } from '../../daemon/events/events.js';
import { systemRoutes } from '../../daemon/routes/system.js';
import { type Database, openDatabase } from '../../daemon/store/database.js';
import { EventStore } from '../../daemon/store/events.js';
import { undocumented } from '../support/api-document.js';
import { startServer, type TestServer } from '../support/http-server.js';

const image = {
  Id: 'i',
  ParentId: '',
  RepoTags: ['a:1'],
  RepoDigests: [],
  Created: 1,
  Size: 10,
  SharedSize: 0,
  Labels: null,
  Containers: 0,
};

let directory: string;
let database: Database;
let server: TestServer;
let events: Events;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-system-'));
  const invocation = readInvocation(['--data-root', directory, '--label', 'a=b'], '1.2.3');
  if (invocation.kind !== 'run') throw new Error(invocation.stderr);
  database = openDatabase(join(directory, 'gantry.db'));
  events = new Events(new EventStore(database));
  const usage = (item: object, size: number) => async () => ({
    items: [{ ...item }],
    totalSize: size,
    reclaimable: 1,
    active: 0,
  });
  server = await startServer(
    systemRoutes({
      config: invocation.config,
      addon: {
        hostInfo: () => ({
          cgroupVersion: 2,
          controllers: ['memory', 'cpu', 'pids'],
          cpus: 3,
          memoryBytes: 4096,
          swapAccounting: true,
          seccomp: true,
          apparmor: false,
        }),
      },
      events,
      counts: () => ({ containers: { running: 1, paused: 2, stopped: 3 }, images: 4 }),
      usage: {
        image: usage(image, 10),
        container: usage({ Id: 'c' }, 20),
        volume: usage({ Name: 'v', Driver: 'local', Mountpoint: '/', Labels: null, Scope: 'local', Options: null }, 30),
        'build-cache': usage({ ID: 'b' }, 40),
      },
    }),
  );
});

afterAll(async () => {
  await server.close();
  database.close();
  rmSync(directory, { recursive: true });
});

test('ping tells what clients look for, with and without a body', async () => {
  for (const method of ['get', 'head'] as const) {
    const { status, headers, text } = await server.request[method]('/_ping');
    expect([status, text ?? '']).toEqual([200, method === 'get' ? 'OK' : '']);
    expect(headers).toMatchObject({
      'api-version': '1.55',
      'builder-version': '2',
      swarm: 'inactive',
      'cache-control': 'no-cache, no-store, must-revalidate',
      pragma: 'no-cache',
      'content-type': 'text/plain; charset=utf-8',
      'content-length': method === 'get' ? '2' : '0',
    });
  }
});

test('version is as documented, and its engine repeats it', async () => {
  const { body } = await server.request.get('/v1.44/version');
  expect(undocumented('SystemVersion', 200, body)).toEqual([]);
  expect(body).toMatchObject({ ApiVersion: '1.55', MinAPIVersion: '1.24', Os: 'linux' });
  expect(body.Components[0]).toMatchObject({ Name: 'Engine', Version: body.Version, Details: { Arch: body.Arch } });
});

test.each([
  ['1.24', { SecurityOptions: expect.arrayContaining(['seccomp']), KernelMemory: false, BridgeNfIptables: false }, []],
  ['1.46', { RegistryConfig: { AllowNondistributableArtifactsCIDRs: null } }, ['KernelMemory']],
  ['1.48', { BridgeNfIp6tables: false, RuncCommit: { ID: '', Expected: '' } }, ['FirewallBackend']],
  ['1.50', { FirewallBackend: { Driver: 'nftables' } }, ['BridgeNfIp6tables', 'RuncCommit.Expected', 'KernelMemory']],
])('info in version %s has what its clients know', async (version, members, absent) => {
  const { body } = await server.request.get(`/v${version}/info`).expect(200);
  expect(body).toMatchObject(members);
  for (const path of absent) expect(body).not.toHaveProperty(path);
});

test('info is as documented', async () => {
  const { body } = await server.request.get('/v1.44/info');
  expect(undocumented('SystemInfo', 200, body)).toEqual([]);
  expect(body).toMatchObject({
    Containers: 6,
    ContainersRunning: 1,
    ContainersPaused: 2,
    ContainersStopped: 3,
    Images: 4,
    NCPU: 3,
    MemTotal: 4096,
    CgroupVersion: '2',
    MemoryLimit: true,
    CPUSet: false,
    OomKillDisable: false,
    Labels: ['a=b'],
    DockerRootDir: directory,
    SecurityOptions: ['name=seccomp,profile=builtin', 'name=cgroupns'],
    Warnings: ['WARNING: No cpuset limit support'],
  });
  expect((await server.request.get('/info')).body.ID).toBe(body.ID);
});

test('disk usage has the shape of its version', async () => {
  const old = (await server.request.get('/v1.51/system/df')).body;
  expect(undocumented('SystemDataUsage', 200, old)).toEqual([]);
  expect(old).toMatchObject({
    LayersSize: 10,
    Images: [{ Id: 'i' }],
    Containers: [{ Id: 'c' }],
    BuildCache: [{ ID: 'b' }],
  });
  const brief = (await server.request.get('/v1.52/system/df')).body;
  expect(undocumented('SystemDataUsage', 200, brief)).toEqual([]);
  expect(brief.ImageUsage).toEqual({ ActiveCount: 0, TotalCount: 1, Reclaimable: 1, TotalSize: 10 });
  const one = (await server.request.get('/v1.52/system/df?verbose=1&type=volume&type=container')).body;
  expect(Object.keys(one)).toEqual(['ContainerUsage', 'VolumeUsage']);
  expect(one.VolumeUsage.Items).toMatchObject([{ Name: 'v' }]);
  const wrong = await server.request.get('/system/df?type=foo');
  expect([wrong.status, wrong.body]).toEqual([400, { message: 'unknown object type: foo' }]);
});

test('there is no registry to log in to', async () => {
  const { status } = await server.request.post('/auth').send({ username: 'a', password: 'b' });
  expect(status).toBe(501);
});

test('events are streamed as they happen, and past ones on demand', async () => {
  const client = server.connect();
  client.send(
    `GET /v1.51/events?filters=${encodeURIComponent('{"type":{"volume":true}}')} HTTP/1.1\r\nHost: x\r\n\r\n`,
  );
  await client.until((text) => text.includes('content-type: application/json'));
  events.publish({ type: 'container', action: 'start', actorId: 'c', attributes: {} });
  events.publish({ type: 'volume', action: 'create', actorId: 'v', attributes: { driver: 'local' } });
  await client.until((text) => text.includes('"create"'));
  client.socket.destroy();
  expect(client.received).not.toContain('"start"');
  const past = server.connect();
  past.send(`GET /v1.51/events?until=${Date.now() / 1000 + 0.001} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  const lines = (await past.untilEnd()).split(/\r?\n/).filter((line) => line.startsWith('{'));
  expect(lines.map((line) => JSON.parse(line).Action)).toEqual(['start', 'create']);
  for (const line of lines) expect(undocumented('SystemEvents', 200, JSON.parse(line))).toEqual([]);
});

test.each([
  ['filters=%7B%22colour%22%3A%5B%22red%22%5D%7D', "invalid filter 'colour'"],
  ['since=10&until=1', '`since` time (10) cannot be after `until` time (1)'],
  ['since=abc', "invalid time 'abc': use seconds since 1970, RFC 3339 or a duration such as 10m"],
])('events?%s is refused', async (query, message) => {
  const { status, body } = await server.request.get(`/events?${query}`);
  expect([status, body]).toEqual([400, { message }]);
});
