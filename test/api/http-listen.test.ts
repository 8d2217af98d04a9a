import { execFileSync, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { groupId, listen } from '../../daemon/http/listen.js';
import { startServer, type TestServer } from '../support/http-server.js';

let directory: string;
let server: TestServer;
let port: number;

const file = (name: string): string => join(directory, name);
const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { stdio: 'pipe' });

function makeCertificate(name: string, authority?: string): void {
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  const signer = authority ? ['-CA', file(`${authority}.pem`), '-CAkey', file(`${authority}.key`)] : [];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-keyout', file(`${name}.key`)];
  openssl('req', '-x509', ...key, ...subject, ...signer, '-days', '1', '-out', file(`${name}.pem`));
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-tls-'));
  makeCertificate('ca');
  makeCertificate('server', 'ca');
  makeCertificate('client', 'ca');
  makeCertificate('stranger');
  server = await startServer({
    SystemPing: () => 'OK',
    ContainerAttach: async ({ hijack }) => {
      const stream = hijack({ multiplexed: false });
      for await (const chunk of stream) stream.write(`[${String(chunk)}]`);
      stream.end('goodbye');
    },
  });
  const tls = {
    certificateFile: file('server.pem'),
    keyFile: file('server.key'),
    authorityFile: file('ca.pem'),
    verify: true,
  };
  const listener = await listen(server.engine, { kind: 'tcp', host: '127.0.0.1', port: 0, tls });
  ({ port } = listener.address() as AddressInfo);
});

afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

const identity = (name: string) => ({
  ca: readFileSync(file('ca.pem')),
  cert: readFileSync(file(`${name}.pem`)),
  key: readFileSync(file(`${name}.key`)),
});

function ping(client?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const credentials = client ? identity(client) : { ca: readFileSync(file('ca.pem')) };
    const request = httpsRequest(
      { host: '127.0.0.1', port, path: '/_ping', agent: false, ...credentials },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    request.on('error', reject);
    request.end();
  });
}

test('only clients with a certificate of the authority are served', async () => {
  expect(await ping('client')).toBe(200);
  await expect(ping()).rejects.toThrow();
  await expect(ping('stranger')).rejects.toThrow();
});

test('a connection is taken over through TLS, and its output outlives its input', async () => {
  // The types lack allowHalfOpen, which tls passes on to net.
  const options = { host: '127.0.0.1', port, allowHalfOpen: true, ...identity('client') };
  const socket = tlsConnect(options);
  await once(socket, 'secureConnect');
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => (received += text));
  socket.end('POST /containers/c/attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello');
  await once(socket, 'end');
  expect(received).toMatch(/^HTTP\/1.1 101 UPGRADED[^]*\r\n\r\n\[hello\]goodbye$/);
});

test('a socket that was passed on is listened on', async () => {
  const passed = createServer().listen(0, '127.0.0.1');
  await once(passed, 'listening');
  const { port: passedPort } = passed.address() as AddressInfo;
  const program = join(import.meta.dirname, '..', 'support', 'listen-on-descriptor.js');
  // Node has no public name for the descriptor of a server. In the child it is 3, as the first one of systemd is.
  const { fd } = (passed as unknown as { _handle: { fd: number } })._handle;
  const stdio: StdioOptions = ['pipe', 'pipe', 'inherit', fd];
  const child = spawn(process.execPath, [program, '3'], { stdio });
  try {
    await once(child.stdout!, 'data');
    passed.close();
    expect(await (await fetch(`http://127.0.0.1:${passedPort}/_ping`)).text()).toBe('OK');
  } finally {
    child.kill();
  }
});

test('a group is a name or a number', () => {
  expect(groupId('root')).toBe(0);
  expect(groupId('4711')).toBe(4711);
  expect(() => groupId('no-such-group')).toThrow('group no-such-group does not exist');
});
