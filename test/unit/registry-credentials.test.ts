import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readHostCertificates, secureContext } from '../../daemon/images/registry/certificates.js';
import { credentialsFor, credentialsOf } from '../../daemon/images/registry/credentials.js';
import { SharedWork } from '../../daemon/images/registry/shared-work.js';

const nobody = { username: '', password: '', identityToken: '', registryToken: '' };
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test.each([
  [undefined],
  [''],
  ['e30='],
  ['e30'],
  ['{}'],
  ['!!!'],
  [encode(null)],
  [encode([1])],
  [encode({ username: 5, auth: {} })],
])('X-Registry-Auth %j is nobody', (header) => {
  expect(credentialsFor(header === undefined ? {} : { 'x-registry-auth': header }, 'docker.io')).toEqual(nobody);
});

test('what is said is who it is', () => {
  expect(credentialsOf({ username: 'a', password: 'b' })).toEqual({ ...nobody, username: 'a', password: 'b' });
  expect(credentialsOf({ auth: Buffer.from('a:b:c').toString('base64') })).toEqual({
    ...nobody,
    username: 'a',
    password: 'b:c',
  });
  expect(credentialsOf({ identitytoken: 'x', registrytoken: 'y' })).toEqual({
    ...nobody,
    identityToken: 'x',
    registryToken: 'y',
  });
});

test('of many registries the one that is meant counts', () => {
  const header = encode({
    'https://index.docker.io/v1/': { username: 'hub' },
    'r.example:5000': { username: 'other' },
  });
  const userOf = (registry: string): string => credentialsFor({ 'x-registry-config': header }, registry).username;
  expect([userOf('docker.io'), userOf('r.example:5000'), userOf('elsewhere'), userOf('constructor')]).toEqual([
    'hub',
    'other',
    '',
    '',
  ]);
});

test('a directory of certificates is used as a whole or refused with what is wrong', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-certs-'));
  const host = join(directory, 'r.example:5000');
  mkdirSync(host);
  const write = (name: string): void => writeFileSync(join(host, name), name);
  const read = () => readHostCertificates([join(directory, 'absent'), directory], 'r.example:5000');
  expect(readHostCertificates([directory], 'other.example')).toEqual({ authorities: [] });
  for (const name of ['b.crt', 'a.crt', 'ignored.txt', 'c.cert', 'c.key']) write(name);
  expect(read()).toEqual({ authorities: ['a.crt', 'b.crt'], client: { certificate: 'c.cert', key: 'c.key' } });
  expect(() => secureContext('r.example:5000', read())).toThrow(/^certificates of r\.example:5000: /);
  write('d.cert');
  expect(read).toThrow('missing key d.key for client certificate d.cert');
  rmSync(join(host, 'd.cert'));
  write('e.key');
  expect(read).toThrow('missing client certificate e.cert for key e.key');
  rmSync(directory, { recursive: true });
});

test('work that is shared goes on while anybody waits, and its result is released after the last has taken a share', async () => {
  const shared = new SharedWork<string>();
  const [quit, stay] = [new AbortController(), new AbortController()];
  const released: string[] = [];
  const seen: (string | undefined)[] = [];
  let finish: (result: string) => void = () => undefined;
  let aborted = false;
  const work = {
    key: 'k',
    start: async (report: (message: { status: string }) => void, signal: AbortSignal) => {
      signal.addEventListener('abort', () => (aborted = true));
      report({ status: 'begun' });
      return new Promise<string>((resolve) => (finish = resolve));
    },
    take: (result: string) => `${result}!`,
    release: (result: string) => void released.push(result),
  };
  const first = shared.join(work, () => undefined, quit.signal);
  const second = shared.join(work, ({ status }) => seen.push(status), stay.signal);
  quit.abort(new Error('gone'));
  await expect(first).rejects.toThrow('gone');
  expect([aborted, released, seen]).toEqual([false, [], ['begun']]);
  finish('done');
  expect(await second).toBe('done!');
  await Promise.resolve();
  expect(released).toEqual(['done']);

  aborted = false;
  const lonely = shared.join(work, () => undefined, stay.signal);
  stay.abort(new Error('gone as well'));
  await expect(lonely).rejects.toThrow('gone as well');
  expect(aborted).toBe(true);
});
