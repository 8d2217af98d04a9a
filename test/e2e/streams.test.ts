import Docker from 'dockerode';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import WebSocket from 'ws';
import { demultiplex, readAll } from '../support/raw-http.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

const docker = (): Docker => new Docker({ socketPath: engine.socketPath });

async function create(script: string, options: Partial<Docker.ContainerCreateOptions> = {}): Promise<Docker.Container> {
  return docker().createContainer({ Image: 'busybox', Cmd: ['sh', '-c', script], ...options });
}

describe('dockerode', () => {
  test('a multiplexed attach comes apart into stdout and stderr', async () => {
    const container = await create('echo out; echo err >&2; echo out again');
    const stream = await container.attach({ stream: true, stdout: true, stderr: true });
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    // eslint-disable-next-line @typescript-eslint/no-unsafe-call -- dockerode types its modem as any
    container.modem.demuxStream(stream, stdout, stderr);
    await container.start();
    await once(stream, 'end');
    expect([stdout.read(), stderr.read()].map(String)).toEqual(['out\nout again\n', 'err\n']);
  });

  test('a hijacked attach takes stdin, and half of it can be closed', async () => {
    const container = await create('cat; echo end', { OpenStdin: true, StdinOnce: true, AttachStdin: true });
    const stream = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true });
    await container.start();
    stream.write('to the container\n');
    stream.end();
    const { stdout } = demultiplex(await readAll(stream as unknown as AsyncIterable<Buffer>));
    expect(stdout.toString()).toBe('to the container\nend\n');
  });

  test('attach with logs replays what was said before', async () => {
    const container = await create('echo before; sleep 1; echo after');
    await container.start();
    await new Promise((resolve) => setTimeout(resolve, 400));
    const stream = await container.attach({ stream: true, logs: true, stdout: true, stderr: true });
    const { stdout } = demultiplex(await readAll(stream as unknown as AsyncIterable<Buffer>));
    expect(stdout.toString()).toBe('before\nafter\n');
  });

  test('with a terminal the stream is raw', async () => {
    const container = await create('echo raw; stty size', { Tty: true });
    const stream = await container.attach({ stream: true, stdout: true, stderr: true });
    await container.start();
    expect((await readAll(stream as unknown as AsyncIterable<Buffer>)).toString()).toMatch(/^raw\r\n/);
  });

  test('exec: start attached, resize, inspect', async () => {
    const container = await create('sleep 300');
    await container.start();
    const exec = await container.exec({
      Cmd: ['sh', '-c', 'sleep 1; stty size; exit 4'],
      AttachStdout: true,
      Tty: true,
    });
    const stream = await exec.start({ hijack: true, stdin: false });
    await exec.resize({ h: 17, w: 71 });
    expect((await readAll(stream)).toString()).toMatch(/^\s*17 71\r\n$/);
    expect(await exec.inspect()).toMatchObject({
      Running: false,
      ExitCode: 4,
      CanRemove: false,
      ContainerID: container.id,
    });
  });

  test('stats stream once a second and end with the client', async () => {
    const container = await create('sleep 300');
    await container.start();
    const stream = (await container.stats({ stream: true })) as unknown as NodeJS.ReadableStream & { destroy(): void };
    const lines: string[] = [];
    for await (const chunk of stream) {
      lines.push(...chunk.toString().split('\n').filter(Boolean));
      if (lines.length >= 2) break;
    }
    const [first, second] = lines.map((line) => JSON.parse(line) as { read: string; memory_stats: { usage: number } });
    expect(Date.parse(second?.read ?? '') - Date.parse(first?.read ?? '')).toBeGreaterThan(500);
    expect(first?.memory_stats.usage).toBeGreaterThan(0);
  });
});

describe('wait conditions', () => {
  test('not-running answers at once for what does not run', async () => {
    const container = await create('exit 3');
    expect((await container.wait({ condition: 'not-running' })).StatusCode).toBe(0);
    await container.start();
    await container.wait();
    expect((await container.wait({ condition: 'not-running' })).StatusCode).toBe(3);
  });

  test('next-exit waits for an end that is to come', async () => {
    const container = await create('exit 6');
    const waiting = container.wait({ condition: 'next-exit' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await container.start();
    expect((await waiting).StatusCode).toBe(6);
  });

  test('removed waits until the container is gone', async () => {
    const container = await create('exit 8', { HostConfig: { AutoRemove: true } });
    const waiting = container.wait({ condition: 'removed' });
    await container.start();
    expect((await waiting).StatusCode).toBe(8);
    await expect(container.inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  test('a condition that does not exist is refused', async () => {
    const container = await create('true');
    await expect(container.wait({ condition: 'tired' as 'removed' })).rejects.toMatchObject({ statusCode: 400 });
  });
});

describe('websocket', () => {
  const connect = (id: string, query: string): WebSocket =>
    new WebSocket(`ws+unix://${engine.socketPath}:/v1.43/containers/${id}/attach/ws?${query}`, {
      headers: { Host: 'docker' },
    });

  test('carries stdin and stdout', async () => {
    const container = await create('read line; echo "got $line"', { OpenStdin: true, StdinOnce: true });
    const socket = connect(container.id, 'stream=1&stdin=1&stdout=1&stderr=1');
    let said = '';
    socket.on('message', (data: Buffer) => (said += data.toString()));
    await once(socket, 'open');
    await container.start();
    socket.send('through the socket\n');
    await once(socket, 'close');
    // Without the frames that an attach has: a websocket's client sees bare output.
    expect(said).toBe('got through the socket\n');
  });

  test('refuses a container that does not exist', async () => {
    const socket = connect('nobody', 'stream=1');
    const [error] = (await once(socket, 'error')) as unknown as [Error];
    expect(error.message).toMatch(/404|Unexpected server response/);
  });
});
