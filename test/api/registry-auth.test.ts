import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAuthority } from '../support/certificates.js';
import { DockerRegistry, htpasswd } from '../support/docker-registry.js';
import { skopeo } from '../support/external-command.js';
import { FakeRegistry, refuse, sendBlob } from '../support/fake-registry.js';
import { dockerArchive, ImageServer, layerOf } from '../support/image-server.js';
import { TokenService } from '../support/token-service.js';
import { failure, registryAuth, statuses, transfer, type TransferOptions } from '../support/transfers.js';

let server: ImageServer;
let open: DockerRegistry;
let basic: DockerRegistry;
let bearer: DockerRegistry;
let tokens: TokenService;
let directory: string;

const alice = { username: 'alice', password: 'secret' };
const mallory = { username: 'alice', password: 'guessed' };

beforeAll(async () => {
  server = new ImageServer();
  directory = mkdtempSync(join(tmpdir(), 'gantry-auth-'));
  writeFileSync(join(directory, 'htpasswd'), htpasswd);
  tokens = new TokenService(await makeAuthority(directory));
  await Promise.all([server.start(), tokens.start()]);
  open = new DockerRegistry();
  basic = new DockerRegistry({
    content: open,
    auth: { htpasswd: { realm: 'test', path: join(directory, 'htpasswd') } },
  });
  bearer = new DockerRegistry({ content: open, auth: tokens.auth });
  await Promise.all([open.start(), basic.start(), bearer.start()]);
  writeFileSync(join(directory, 'image.tar'), await dockerArchive({ layers: [await layerOf('a', 'b')] }, ['t:1']));
  for (const name of ['public/image', 'private/image']) {
    await skopeo(
      ...['copy', '--dest-tls-verify=false', '--format', 'v2s2'],
      ...[`docker-archive:${join(directory, 'image.tar')}`, `docker://${open.host}/${name}:1`],
    );
  }
});
afterAll(async () => {
  await server.dispose();
  await Promise.all([open.stop(), basic.stop(), bearer.stop(), tokens.stop()]);
  rmSync(directory, { recursive: true });
});
afterEach(() => {
  server.removeAll();
  tokens.questions.length = 0;
});

const pull = (name: string, auth?: object, options: TransferOptions = {}) =>
  transfer(server.http.path, `/v1.51/images/create?fromImage=${name}`, {
    ...(auth ? { headers: registryAuth(auth) } : {}),
    ...options,
  });
const tag = (name: string, repo: string) =>
  server.http.request.post(`/v1.51/images/${encodeURIComponent(name)}/tag?repo=${repo}&tag=1`).expect(201);
const push = (name: string, auth?: object) =>
  transfer(server.http.path, `/v1.51/images/${name}/push?tag=1`, auth ? { headers: registryAuth(auth) } : {});
const login = (body: object) => server.http.request.post('/v1.51/auth').send(body);
const isDone = ({ messages }: { messages: Record<string, unknown>[] }): boolean =>
  /^Status: Downloaded/.test(String(messages.at(-1)?.['status']));

test('with a password file only who knows the password pulls', async () => {
  const name = `${basic.host}/private/image:1`;
  const nobody = await pull(name);
  expect([nobody.status, failure(nobody)]).toEqual([
    500,
    `Get "http://${basic.host}/v2/private/image/manifests/1": no basic auth credentials`,
  ]);
  const wrong = await pull(name, mallory);
  expect([wrong.status, failure(wrong)]).toEqual([401, 'unauthorized: authentication required']);
  expect(isDone(await pull(name, alice))).toBe(true);
});

test.each([
  ['base64url without padding', (text: string) => Buffer.from(text).toString('base64url')],
  ['base64url with padding', (text: string) => `${Buffer.from(text).toString('base64url')}==`],
  ['base64', (text: string) => Buffer.from(text).toString('base64')],
])('credentials in %s are understood', async (_name, encode) => {
  const auth = encode(JSON.stringify({ auth: Buffer.from('alice:secret').toString('base64'), email: 'ü@x' }));
  const pulled = await pull(`${basic.host}/private/image:1`, undefined, { headers: { 'x-registry-auth': auth } });
  expect(isDone(pulled)).toBe(true);
});

test('credentials of several registries are told apart', async () => {
  const config = { [basic.host]: alice, 'elsewhere.example': mallory };
  const header = { 'x-registry-config': Buffer.from(JSON.stringify(config)).toString('base64url') };
  expect(isDone(await pull(`${basic.host}/private/image:1`, undefined, { headers: header }))).toBe(true);
});

test('anybody pulls what is public, with a token for just that', async () => {
  for (const [index, auth] of [undefined, {}].entries()) {
    expect(isDone(await pull(`${bearer.host}/public/image:1`, auth))).toBe(true);
    const question = { by: 'anonymous', method: 'GET', scopes: ['repository:public/image:pull'] };
    expect(tokens.questions).toHaveLength(1);
    expect(tokens.questions[0]).toMatchObject(question);
    tokens.questions.length = 0;
    if (index === 0) server.removeAll();
  }
});

test('what is not public is denied, and told apart from a wrong password', async () => {
  const name = `${bearer.host}/private/image`;
  const denied = await pull(`${name}:1`);
  expect([denied.status, failure(denied)]).toEqual([
    404,
    `pull access denied for ${name}, repository does not exist or may require 'docker login': ` +
      'denied: requested access to the resource is denied',
  ]);
  const wrong = await pull(`${name}:1`, mallory);
  expect([wrong.status, failure(wrong)]).toEqual([401, 'unauthorized: incorrect username or password']);
  expect(isDone(await pull(`${name}:1`, alice))).toBe(true);
  expect(tokens.questions.at(-1)).toMatchObject({ by: 'alice', account: 'alice' });
});

test('an identity token stands for the password', async () => {
  expect(isDone(await pull(`${bearer.host}/private/image:1`, { identitytoken: 'refreshing' }))).toBe(true);
  const question = { by: 'refresh', method: 'POST', scopes: ['repository:private/image:pull'] };
  expect(tokens.questions.at(-1)).toMatchObject(question);
  const wrong = await pull(`${bearer.host}/private/other:1`, { identitytoken: 'stale' });
  expect([wrong.status, failure(wrong)]).toEqual([401, 'unauthorized: incorrect username or password']);
});

test('pushing asks for more, and mounting for the other repository as well', async () => {
  await pull(`${bearer.host}/private/image:1`, alice);
  await tag(`${bearer.host}/private/image:1`, `${bearer.host}/private/copy`);
  expect(failure(await push(`${bearer.host}/private/copy`))).toBe('denied: requested access to the resource is denied');
  const pushed = await push(`${bearer.host}/private/copy`, alice);
  expect(statuses(pushed).filter((line) => line.endsWith(': Mounted from private/image'))).toHaveLength(1);
  const scopes = tokens.questions.map((question) => question.scopes.join(' '));
  expect(scopes).toContain('repository:private/copy:pull,push');
  expect(scopes).toContain('repository:private/copy:pull,push repository:private/image:pull');
  expect(failure(await push(`${bearer.host}/private/copy`, mallory))).toBe(
    'unauthorized: incorrect username or password',
  );
});

test('a token that has run out is replaced', async () => {
  const fake = new FakeRegistry();
  await fake.start();
  const { layers } = fake.addImage('1', { layers: [await layerOf('other', 'layer')] });
  const realm = `Bearer realm="http://${fake.host}/token",service="fake"`;
  let given = 0;
  fake.overrides.set('/v2/', (_request, response) => {
    refuse(response, 401, 'UNAUTHORIZED', 'who are you', { 'www-authenticate': realm });
  });
  fake.overrides.set('/token', (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token: `t${++given}` }));
  });
  fake.overrides.set(`blobs/${layers[0]}`, (request, response) => {
    if (request.headers.authorization === 'Bearer t2') {
      return sendBlob(fake.blobs.get(layers[0] ?? '') ?? Buffer.alloc(0), request, response);
    }
    const challenge = { 'www-authenticate': `${realm},error="invalid_token"` };
    refuse(response, 401, 'UNAUTHORIZED', 'too old', challenge);
  });
  expect(isDone(await pull(`${fake.host}/some/image:1`))).toBe(true);
  expect(given).toBe(2);
  await fake.stop();
});

test('docker login is decided by the registry', async () => {
  const yes = await login({ ...alice, serveraddress: basic.host }).expect(200);
  expect(yes.body).toEqual({ Status: 'Login Succeeded', IdentityToken: '' });
  const no = await login({ ...mallory, serveraddress: basic.host }).expect(401);
  expect(no.body.message).toBe(`login attempt to http://${basic.host}/v2/ failed with status: 401 Unauthorized`);

  const token = await login({ ...alice, serveraddress: `http://${bearer.host}/v2/` }).expect(200);
  expect(token.body).toEqual({ Status: 'Login Succeeded', IdentityToken: 'refreshing' });
  expect(tokens.questions).toEqual([{ method: 'GET', scopes: [], account: 'alice', isOffline: true, by: 'alice' }]);
  const refused = await login({ ...mallory, serveraddress: bearer.host }).expect(401);
  expect(refused.body.message).toMatch(/unauthorized: incorrect username or password$/);

  const unreachable = await login({ ...alice, serveraddress: '127.0.0.1:1' }).expect(500);
  expect(unreachable.body.message).toMatch(/dial tcp 127\.0\.0\.1:1: connect: connection refused$/);
});
