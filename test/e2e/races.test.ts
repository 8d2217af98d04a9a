import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { descriptorsOf } from '../support/processes.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();
const ROUNDS = 8;

const send = async (method: string, path: string, body?: object): Promise<number> =>
  (await engine.client.send(method, path, body)).status;

const create = (name: string, command: string[], more: object = {}): Promise<{ Id: string }> =>
  engine.client.json('POST', `/containers/create?name=${name}`, {
    Image: 'busybox',
    Cmd: command,
    ...more,
    HostConfig: { NetworkMode: 'none', ...(more as { HostConfig?: object }).HostConfig },
  });

test('a forced removal that crosses a start always removes', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    await create('crossed', ['sleep', '300']);
    const start = send('POST', '/containers/crossed/start');
    await delay(round);
    expect(await send('DELETE', '/containers/crossed?force=1')).toBe(204);
    expect([204, 404, 409]).toContain(await start);
    expect(await send('GET', '/containers/crossed/json')).toBe(404);
  }
});

test('a stop that crosses a start stops what was started', async () => {
  await create('crossed', ['sleep', '300']);
  const start = send('POST', '/containers/crossed/start');
  await delay(2);
  expect(await send('POST', '/containers/crossed/stop?t=0')).toBe(204);
  expect(await start).toBe(204);
  expect(await engine.docker.ok('inspect', '-f', '{{.State.Status}}', 'crossed')).toBe('exited');
});

test('a rename that crosses a removal leaves no name behind', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    await create('old', ['true']);
    const [removed, renamed] = await Promise.all([
      send('DELETE', '/containers/old'),
      send('POST', '/containers/old/rename?name=new'),
    ]);
    expect(removed).toBe(204);
    expect([204, 404]).toContain(renamed);
    for (const name of ['old', 'new']) expect(await send('GET', `/containers/${name}/json`)).toBe(404);
  }
});

test('whatever is asked of a container that just ends is answered by its state, not by a failure', async () => {
  const asked: [string, string, object?][] = [
    ['POST', 'update', { PidsLimit: 50 }],
    ['POST', 'pause'],
    ['POST', 'unpause'],
    ['POST', 'kill'],
    ['POST', 'stop?t=0'],
    ['GET', 'stats?stream=0&one-shot=1'],
    ['HEAD', 'archive?path=/bin/sh'],
    ['GET', 'top'],
  ];
  for (let round = 0; round < ROUNDS; round++) {
    await create('brief', ['usleep', String(round * 2000)]);
    await send('POST', '/containers/brief/start');
    const statuses = await Promise.all(
      asked.map(([method, path, body]) => send(method, `/containers/brief/${path}`, body)),
    );
    expect(statuses.filter((status) => status >= 500)).toEqual([]);
    expect(await send('DELETE', '/containers/brief?force=1')).toBe(204);
  }
});

test('restarts that cross each other have all restarted it', async () => {
  await create('twice', ['sleep', '100']);
  await send('POST', '/containers/twice/start');
  const restarts = await Promise.all([1, 2, 3].map(() => send('POST', '/containers/twice/restart?t=0')));
  expect(restarts).toEqual([204, 204, 204]);
});

test('sizes are told while containers are removed', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const names = ['one', 'two', 'three'];
    for (const name of names) await create(name, ['true']);
    const statuses = await Promise.all([
      send('GET', '/containers/json?all=1&size=1'),
      send('GET', '/system/df'),
      ...names.map((name) => send('GET', `/containers/${name}/json?size=1`)),
      ...names.map((name) => send('DELETE', `/containers/${name}`)),
      send('GET', '/containers/json?all=1&size=1'),
    ]);
    expect(statuses.filter((status) => status >= 500)).toEqual([]);
  }
});

test('a container that ends while its networks change has those that it was given', async () => {
  for (const name of ['a', 'b', 'c']) await engine.docker.ok('network', 'create', name);
  const EndpointsConfig = { a: {}, b: {} };
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const network = { HostConfig: { NetworkMode: 'a' }, NetworkingConfig: { EndpointsConfig } };
    await create('brief', ['usleep', String(round * 1500)], network);
    await send('POST', '/containers/brief/start');
    const changes = [
      ['b', 'disconnect'],
      ['c', 'connect'],
    ].map(([name, verb]) => send('POST', `/networks/${name}/${verb}`, { Container: 'brief' }));
    expect(await Promise.all(changes)).toEqual([200, 200]);
    await send('POST', '/containers/brief/wait');
    const { NetworkSettings } = await engine.client.json<{ NetworkSettings: { Networks: object } }>(
      'GET',
      '/containers/brief/json',
    );
    expect(Object.keys(NetworkSettings.Networks).sort()).toEqual(['a', 'c']);
    expect(await send('DELETE', '/containers/brief?force=1')).toBe(204);
  }
});

test('networks come and go with a container that is restarted all the time', async () => {
  const names = Array.from({ length: 8 }, (_, index) => `n${index}`);
  for (const name of names) await engine.docker.ok('network', 'create', name);
  await engine.docker.ok('run', '-d', '--init', '--name', 'box', 'busybox', 'sleep', '300');
  for (const verb of ['connect', 'disconnect', 'connect']) {
    const changes = names.map((name) => send('POST', `/networks/${name}/${verb}`, { Container: 'box' }));
    const restart = send('POST', '/containers/box/restart?t=0');
    expect(await Promise.all(changes)).toEqual(names.map(() => 200));
    expect(await restart).toBe(204);
    const links = (await engine.docker.ok('exec', 'box', 'ls', '/sys/class/net')).split(/\s+/);
    expect(links).toHaveLength(verb === 'connect' ? 10 : 2);
  }
});

test('a restart by a client is not the end after which --rm removes', async () => {
  await engine.docker.ok('run', '-d', '--rm', '--name', 'stays', 'busybox', 'sleep', '300');
  await engine.docker.ok('restart', '-t', '0', 'stays');
  await delay(100);
  expect(await engine.docker.ok('inspect', '-f', '{{.State.Status}}', 'stays')).toBe('running');
  await engine.docker.ok('stop', '-t', '0', 'stays');
  await eventually(
    () => send('GET', '/containers/stays/json'),
    (status) => status === 404,
  );
});

test('a client that attaches while the container is being started is served', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    await create('met', ['cat'], { OpenStdin: true, StdinOnce: true });
    const start = send('POST', '/containers/met/start');
    await delay(round);
    const stream = await engine.client.hijack('/containers/met/attach?stream=1&stdin=1&stdout=1');
    await start;
    const echoed = new Promise<string>((resolve) => stream.once('data', (data: Buffer) => resolve(data.toString())));
    stream.write('hello\n');
    expect(await echoed).toContain('hello');
    stream.destroy();
    await send('DELETE', '/containers/met?force=1');
  }
});

test('an attached client that waits for a start is let go when the container is removed instead', async () => {
  await create('never', ['true']);
  const stream = await engine.client.hijack('/containers/never/attach?stream=1&stdout=1');
  const ended = new Promise((resolve) => stream.once('close', resolve));
  stream.resume();
  await send('DELETE', '/containers/never');
  await ended;
});

test('a client that leaves a follower of a silent log leaves nothing open', async () => {
  const { Id } = await create('silent', ['sh', '-c', 'echo once; exec sleep 300']);
  await send('POST', '/containers/silent/start');
  const open = (): number => descriptorsOf(engine.daemon!.pid).filter((path) => path.includes(Id)).length;
  await eventually(
    () => engine.docker.ok('logs', 'silent'),
    (log) => log === 'once',
  );
  for (let client = 0; client < 3; client++) {
    const socket = connect(engine.socketPath);
    socket.write('GET /containers/silent/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: docker\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    await eventually(open, (count) => count === 1);
    socket.destroy();
    await eventually(open, (count) => count === 0);
  }
});
