import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAuthority, makeCertificate, type CertificateFiles } from '../support/certificates.js';
import { DockerRegistry } from '../support/docker-registry.js';
import { skopeo } from '../support/external-command.js';
import { FakeRegistry, refuse } from '../support/fake-registry.js';
import { dockerArchive, ImageServer, layerOf } from '../support/image-server.js';
import { failure, registryAuth, statuses, transfer } from '../support/transfers.js';

/** Loopback is always insecure; the machine's own name is not, even if it is all the network there is. */
const name = 'registry.test';

let server: ImageServer;
let directory: string;
let authority: CertificateFiles;
let plain: DockerRegistry;

beforeAll(async () => {
  server = new ImageServer();
  directory = mkdtempSync(join(tmpdir(), 'gantry-tls-'));
  authority = await makeAuthority(directory);
  plain = new DockerRegistry();
  await Promise.all([server.start(), plain.start()]);
  server.settings.certificates = [join(directory, 'certs.d')];
  writeFileSync(join(directory, 'image.tar'), await dockerArchive({ layers: [await layerOf('a', 'b')] }, ['t:1']));
  await skopeo(
    ...['copy', '--dest-tls-verify=false', '--format', 'v2s2'],
    ...[`docker-archive:${join(directory, 'image.tar')}`, `docker://${plain.host}/library/thing:1`],
  );
});
afterAll(async () => {
  await server.dispose();
  await plain.stop();
  rmSync(directory, { recursive: true });
});
afterEach(() => {
  server.removeAll();
  Object.assign(server.settings, { mirrors: [], insecure: [], httpProxy: '', httpsProxy: '', noProxy: '' });
});

const pull = (image: string, headers: Record<string, string> = {}) =>
  transfer(server.http.path, `/v1.51/images/create?fromImage=${image}`, { headers });
const isDone = ({ messages }: { messages: Record<string, unknown>[] }): boolean =>
  /^Status: Downloaded/.test(String(messages.at(-1)?.['status']));

/** A proxy that leads every name to this machine, so that a registry can have one that is no loopback address. */
class Proxy {
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer((incoming, outgoing) => this.#forward(incoming, outgoing));
    this.#server.on('connect', (incoming, client) => this.#tunnel(incoming.url ?? '', client as Socket));
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.asked.push(`${incoming.method} ${incoming.url}`);
    const { port, pathname, search } = new URL(incoming.url ?? '');
    const options = {
      host: '127.0.0.1',
      port,
      path: pathname + search,
      method: incoming.method,
      headers: incoming.headers,
    };
    incoming.pipe(
      request(options, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(outgoing);
      }),
    );
  }

  #tunnel(target: string, client: Socket): void {
    this.asked.push(`CONNECT ${target}`);
    const far = connect({ host: '127.0.0.1', port: Number(target.split(':')[1]) }, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      client.pipe(far).pipe(client);
    });
    for (const socket of [client, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
    }
  }
}

test('a registry has to prove who it is, unless it is insecure; certs.d says whom to believe, and who we are', async () => {
  const proxy = new Proxy();
  const own = await makeCertificate(directory, 'own', `DNS:${name}`, authority);
  const tls = new DockerRegistry({ content: plain, tls: own });
  const closed = new DockerRegistry({ content: plain, tls: { ...own, clientAuthority: authority.certificate } });
  const [url] = await Promise.all([proxy.start(), tls.start(), closed.start()]);
  const portOf = (registry: DockerRegistry): string => registry.host.split(':')[1] ?? '';
  Object.assign(server.settings, { httpProxy: url, httpsProxy: url });

  const host = `${name}:${portOf(tls)}`;
  const unknown = await pull(`${host}/library/thing:1`);
  expect([unknown.status, failure(unknown)]).toEqual([
    500,
    `Get "https://${host}/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
  ]);
  expect(proxy.asked).toContain(`CONNECT ${host}`);
  const certificates = join(directory, 'certs.d', host);
  mkdirSync(certificates, { recursive: true });
  copyFileSync(authority.certificate, join(certificates, 'ca.crt'));
  expect(isDone(await pull(`${host}/library/thing:1`))).toBe(true);

  const wrongName = `other.test:${portOf(tls)}`;
  mkdirSync(join(directory, 'certs.d', wrongName));
  copyFileSync(authority.certificate, join(directory, 'certs.d', wrongName, 'ca.crt'));
  expect(failure(await pull(`${wrongName}/library/thing:1`))).toMatch(
    /: tls: failed to verify certificate: x509: certificate is valid for registry\.test, not other\.test$/,
  );
  server.settings.insecure = [wrongName];
  expect(isDone(await pull(`${wrongName}/library/thing:1`))).toBe(true);

  const private_ = `${name}:${portOf(closed)}`;
  const mine = join(directory, 'certs.d', private_);
  mkdirSync(mine);
  copyFileSync(authority.certificate, join(mine, 'ca.crt'));
  expect((await pull(`${private_}/library/thing:1`)).status).toBe(500);
  const client = await makeCertificate(directory, 'client', 'DNS:client', authority);
  copyFileSync(client.certificate, join(mine, 'client.cert'));
  expect(failure(await pull(`${private_}/library/thing:1`))).toBe(
    'missing key client.key for client certificate client.cert. CA certificates must use the extension .crt',
  );
  copyFileSync(client.key, join(mine, 'client.key'));
  expect(isDone(await pull(`${private_}/library/thing:1`))).toBe(true);

  // Without TLS only an insecure one is spoken to.
  const bare = `${name}:${portOf(plain)}`;
  expect(failure(await pull(`${bare}/library/thing:1`))).toBe(
    `Get "https://${bare}/v2/": http: server gave HTTP response to HTTPS client`,
  );
  server.settings.insecure = [bare];
  expect(isDone(await pull(`${bare}/library/thing:1`))).toBe(true);
  expect(proxy.asked.some((line) => line.startsWith(`GET http://${bare}/v2/`))).toBe(true);

  proxy.asked.length = 0;
  server.settings.noProxy = '.test';
  expect(failure(await pull(`${bare}/library/thing:1`))).toMatch(/dial tcp: lookup registry\.test: /);
  expect(proxy.asked).toEqual([]);
  await Promise.all([proxy.stop(), tls.stop(), closed.stop()]);
});

test('images of Docker Hub come from a mirror, and from the next when it fails', async () => {
  const broken = new FakeRegistry();
  await broken.start();
  server.settings.mirrors = [`http://${broken.host}/`, `http://${plain.host}/`];
  const hub = registryAuth({ username: 'alice', password: 'for the hub' });
  expect(statuses(await pull('thing:1', hub)).at(0)).toBe('1: Pulling from library/thing');
  const { body } = await server.http.request.get('/v1.51/images/thing:1/json').expect(200);
  expect(body.RepoDigests[0]).toMatch(/^thing@sha256:/);
  expect(broken.requestsOf('manifests/1')).toHaveLength(1);
  // A mirror does not learn the password of the Hub.
  expect(broken.requests.some(({ headers }) => headers.authorization !== undefined)).toBe(false);
  server.removeAll();

  // Where all of them fail it is the Hub that counts, which cannot be reached from here.
  server.settings.mirrors = [`http://${broken.host}/`];
  server.settings.httpsProxy = 'http://127.0.0.1:1';
  const failed = await pull('thing:1', hub);
  expect(failure(failed)).toMatch(/^Get "https:\/\/registry-1\.docker\.io\/v2\/": .*connection refused$/);
  await broken.stop();
});

test('a registry that has an index can be searched', async () => {
  const index = new FakeRegistry();
  await index.start();
  const found = { name: 'some/image', description: 'an image', star_count: 3, is_official: false, is_automated: false };
  const results = [found, { ...found, name: 'better', star_count: 30, is_official: true }, 'nonsense'];
  const urls: (string | undefined)[] = [];
  index.overrides.set('/v1/search', (incoming, response) => {
    urls.push(incoming.url);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ results }));
  });
  const search = (query: string) => server.http.request.get(`/v1.51/images/search?${query}`);
  const filter = (value: object): string => `filters=${encodeURIComponent(JSON.stringify(value))}`;
  const all = await search(`term=${index.host}/image`).expect(200);
  expect(all.body).toEqual(results.slice(0, 2));
  expect(urls).toEqual(['/v1/search?q=image&n=25']);
  const official = await search(`term=${index.host}/image&limit=5&${filter({ 'is-official': ['true'] })}`).expect(200);
  expect((official.body as { name: string }[]).map((result) => result.name)).toEqual(['better']);
  const stars = await search(`term=${index.host}/image&${filter({ stars: ['4'] })}`).expect(200);
  expect(stars.body).toHaveLength(1);

  expect((await search('term=x&limit=1000').expect(400)).body.message).toBe(
    'limit 1000 is outside the range of [1, 100]',
  );
  expect((await search(`term=x&${filter({ x: ['1'] })}`).expect(400)).body.message).toBe("invalid filter 'x'");
  index.overrides.set('/v1/search', (_request, response) => refuse(response, 404, 'NOPE', 'no'));
  expect((await search(`term=${index.host}/image`).expect(500)).body.message).toMatch(/^Unexpected status code 404/);
  expect((await search('term=127.0.0.1:1/foo').expect(400)).body.message).toBe(
    'invalid registry endpoint "http://127.0.0.1:1/v1/". ' +
      'HTTPS attempt: Get "https://127.0.0.1:1/v1/_ping": dial tcp 127.0.0.1:1: connect: connection refused. ' +
      'HTTP attempt: Get "http://127.0.0.1:1/v1/_ping": dial tcp 127.0.0.1:1: connect: connection refused',
  );
  await index.stop();
});
