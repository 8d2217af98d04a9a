import { jest } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expectHostAsItWas, takeSnapshot, type HostSnapshot } from '../support/host-snapshot.js';
import { ask, HOST, Listening } from '../support/network-peers.js';
import { CrashEngine } from './crash-engine.js';
import { Random } from './random.js';

const ROUNDS = Number(process.env['GANTRY_CRASH_ROUNDS'] ?? 12);
const SEED = Number(process.env['GANTRY_CRASH_SEED'] ?? Date.now() % 1_000_000);
const NETWORKS = ['first', 'second', 'third'];

jest.setTimeout(60_000 + ROUNDS * 10_000);

const random = new Random(SEED);
const engine = new CrashEngine();
let idle: HostSnapshot;
let listening: Listening;
let port: number;
let stopped = false;

interface Settings {
  State: { Pid: number };
  NetworkSettings: {
    Networks: Record<string, { IPAddress: string; Gateway: string }>;
    Ports: Record<string, { HostPort: string }[] | null>;
  };
}

const inspect = (name: string): Promise<Settings> => engine.client.json('GET', `/containers/${name}/json`);
const post = (path: string, body: object): Promise<unknown> => engine.client.send('POST', path, body);

beforeAll(async () => {
  process.stderr.write(`crash test: GANTRY_CRASH_SEED=${SEED} GANTRY_CRASH_ROUNDS=${ROUNDS}\n`);
  await engine.start();
  idle = await takeSnapshot(engine.daemon, engine.daemon.pid);
  for (const [index, Name] of NETWORKS.entries()) {
    const Subnet = `10.${30 + (process.pid & 7)}.${index}.0/24`;
    await engine.client.json('POST', '/networks/create', { Name, IPAM: { Config: [{ Subnet }] } });
  }
  await engine.run('web', 'exec sleep 3600', { NetworkMode: 'first', PortBindings: { '80/tcp': [{}] } });
  const { State, NetworkSettings } = await inspect('web');
  listening = await Listening.start(`/proc/${State.Pid}/ns/net`, 'tcp', 80);
  port = Number(NetworkSettings.Ports['80/tcp']![0]!.HostPort);
});
afterAll(async () => {
  await listening?.stop();
  await engine.dispose();
});

test(`the daemon is killed ${ROUNDS} times while networks come and go, and nothing is half done`, async () => {
  for (let round = 1; round <= ROUNDS; round++) {
    stopped = false;
    const running = Promise.all([churnEndpoints(), churnNetworks(round), churnContainers(round)]);
    await Promise.race([delay(random.between(20, 400)), running]);
    stopped = true;
    await engine.kill();
    await running;
    await engine.daemon.start();
    await expectAsInspected();
    await expectLeasesOnce();
  }
  await listening.stop();
  await engine.removeAll();
  for (const { Name } of await engine.client.json<{ Name: string }[]>('GET', '/networks?filters={"type":["custom"]}')) {
    await engine.client.send('DELETE', `/networks/${Name}`);
  }
  await expectHostAsItWas(idle, engine.daemon, engine.daemon.pid);
});

async function until(work: () => Promise<unknown>): Promise<void> {
  while (!stopped) {
    await work().catch((error: unknown) => {
      if (!stopped) throw error;
    });
  }
}

/** Never off the first network: that would leave the port without a way in. */
const churnEndpoints = (): Promise<void> =>
  until(async () => {
    const network = random.between(0, 1) === 0 ? 'second' : 'third';
    const action = random.between(0, 1) === 0 ? 'connect' : 'disconnect';
    await post(`/networks/${network}/${action}`, {
      Container: 'web',
      EndpointConfig: { GwPriority: random.between(0, 2) },
    });
  });

const churnNetworks = (round: number): Promise<void> => {
  let number = 0;
  return until(async () => {
    const Name = `flux-${round}-${number++}`;
    const Subnet = `10.${30 + (process.pid & 7)}.${100 + (number % 100)}.0/24`;
    await post('/networks/create', { Name, IPAM: { Config: [{ Subnet }] } });
    await engine.client.send('DELETE', `/networks/${Name}`);
  });
};

const churnContainers = (round: number): Promise<void> => {
  let number = 0;
  return until(async () => {
    const name = `box-${round}-${number++}`;
    await engine.run(name, 'exec sleep 60', { NetworkMode: 'second', PortBindings: { '80/tcp': [{}] } });
    await engine.remove(name);
  });
};

/** The container has the interfaces, addresses and the way out that inspect tells of, and its port leads to it. */
async function expectAsInspected(): Promise<void> {
  const { State, NetworkSettings } = await inspect('web');
  const endpoints = Object.values(NetworkSettings.Networks);
  const ip = (...words: string[]): string =>
    execFileSync('nsenter', ['-t', String(State.Pid), '-n', 'ip', ...words], { encoding: 'utf8' });
  const addresses = [...ip('-4', '-o', 'addr').matchAll(/eth\d+ +inet ([\d.]+)\//g)].map(([, address]) => address);
  expect(addresses.sort()).toEqual(endpoints.map(({ IPAddress }) => IPAddress).sort());
  const own = readFileSync(`/proc/${State.Pid}/root/etc/hosts`, 'utf8').matchAll(/^(10\S+)\t/gm);
  expect([...own].map(([, address]) => address).sort()).toEqual(addresses);
  const gateway = /default via (\S+)/.exec(ip('route'))?.[1];
  expect(endpoints.map(({ Gateway }) => Gateway)).toContain(gateway);
  expect(await ask(HOST, 'tcp', '127.0.0.1', port)).toMatch(/^10\./);
  expect(await ask(HOST, 'tcp', engine.daemon.bridgeAddress, port)).toMatch(/^10\./);
}

/** No two containers have an address, and every network has its bridge. */
async function expectLeasesOnce(): Promise<void> {
  const seen: string[] = [];
  for (const name of await engine.names()) {
    const { NetworkSettings } = await inspect(name);
    seen.push(...Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress));
    if (name !== 'web') await engine.remove(name);
  }
  const addresses = seen.filter((address) => address !== '');
  expect(new Set(addresses).size).toBe(addresses.length);
  const links = execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' });
  const networks = await engine.client.json<{ Id: string; Name: string }[]>(
    'GET',
    '/networks?filters={"type":["custom"]}',
  );
  for (const { Id, Name } of networks) {
    expect([Name, links.includes(`br-${Id.slice(0, 12)}`)]).toEqual([Name, true]);
    if (Name.startsWith('flux')) await engine.client.send('DELETE', `/networks/${Name}`);
  }
  const bridges = [...links.matchAll(/ (br-[0-9a-f]{12}):/g)].map(([, name]) => name!);
  expect(bridges.filter((bridge) => !networks.some(({ Id }) => bridge === `br-${Id.slice(0, 12)}`))).toEqual([]);
}
