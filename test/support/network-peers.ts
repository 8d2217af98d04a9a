import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { SLOWNESS } from './slowness.js';

export type Transport = 'tcp' | 'udp';

/** Tells everybody who asks from which address they came. */
const server = `
  const [transport, port, bind] = process.argv.slice(1);
  const told = (address) => address.replace(/^::ffff:/, '');
  if (transport === 'tcp') {
    require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      socket.on('data', () => {}).on('end', () => socket.end(told(socket.remoteAddress)));
    }).listen({ port: Number(port), host: bind || '::' }, () => console.log('ready'));
  } else {
    const socket = require('node:dgram').createSocket('udp6');
    socket.on('message', (text, { port: from, address }) => socket.send(told(address), from, address));
    socket.bind(Number(port), bind || '::', () => console.log('ready'));
  }
`;

const client = `
  const [transport, address, port, patience] = process.argv.slice(1);
  const done = (text) => { console.log(text); process.exit(0); };
  setTimeout(() => done('timeout'), Number(patience));
  let got = '';
  if (transport === 'tcp') {
    const socket = require('node:net').connect({ host: address, port: Number(port) }, () => socket.end('hello'));
    socket.on('data', (text) => (got += text)).on('end', () => done(got || 'closed')).on('error', ({ code }) => done(code));
  } else {
    const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (text) => done(String(text))).on('error', ({ code }) => done(code));
    socket.connect(Number(port), address, () => socket.send('hello'));
  }
`;

const enter = (namespace: string): string[] => [`--net=${namespace}`, process.execPath, '-e'];

/** A program that listens in some network namespace. */
export class Listening {
  private constructor(private readonly child: ChildProcess) {}

  /** @param namespace path of one, "/proc/123/ns/net" */
  static async start(namespace: string, transport: Transport, port: number, bind = ''): Promise<Listening> {
    const child = spawn('nsenter', [...enter(namespace), server, transport, String(port), bind], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(() => {
        throw new Error(`nothing listens on ${transport} ${port} of ${namespace}`);
      }),
    ]);
    return new Listening(child);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}

/**
 * Asks from a network namespace who one is there.
 * @returns the address that the server saw, or the errno, or "timeout"
 */
export function ask(
  namespace: string,
  transport: Transport,
  address: string,
  port: number,
  patienceMs = 700 * SLOWNESS,
): Promise<string> {
  const args = [...enter(namespace), client, transport, address, String(port), String(patienceMs)];
  return new Promise((resolve, reject) => {
    execFile('nsenter', args, (error, stdout) => {
      if (error) reject(new Error(`nobody could be asked: ${error.message}`));
      else resolve(stdout.trim());
    });
  });
}

const talker = `
  const [address, port] = process.argv.slice(1);
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', () => console.log('answer')).on('error', () => {});
  socket.connect(Number(port), address, () => setInterval(() => socket.send('hello', () => {}), 30));
`;

/** A sender of datagrams that never stops, all from one socket. */
export class Talking {
  readonly #child: ChildProcess;

  constructor(namespace: string, address: string, port: number) {
    this.#child = spawn('nsenter', [...enter(namespace), talker, address, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  /** Resolves at the next answer. */
  async answered(): Promise<void> {
    await once(this.#child.stdout!, 'data', { signal: AbortSignal.timeout(5000 * SLOWNESS) });
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** The network namespace that the tests run in. */
export const HOST = `/proc/${process.pid}/ns/net`;
