import { execFileSync } from 'node:child_process';
import { ask, HOST, Listening } from '../support/network-peers.js';
import { useEngine, type TestEngine } from '../support/test-engine.js';

/** Two Gantrys and the tables of a dockerd in one network namespace. */
const block = 120 + (process.pid & 7);
const engines = [0, 1].map((number) =>
  useEngine(['--default-address-pool', `base=10.${block + 8 * number}.0.0/16,size=24`]),
);
const [one, two] = engines as [TestEngine, TestEngine];

const nft = (...words: string[]): string => execFileSync('nft', words, { encoding: 'utf8' });
const foreign = (): string => nft('-nn', 'list', 'table', 'ip', 'gantrytest');

beforeAll(() => {
  nft(
    `table ip gantrytest {
      set theirs { type inet_service; elements = { 8080 } }
      chain DOCKER-USER { }
      chain FORWARD { type filter hook forward priority filter; policy accept; jump DOCKER-USER; }
      chain POSTROUTING { type nat hook postrouting priority srcnat; ip saddr 172.31.255.0/24 oifname != "docker9" masquerade; }
    }`,
  );
});
afterAll(() => nft('delete', 'table', 'ip', 'gantrytest'));

interface Stack {
  engine: TestEngine;
  listening: Listening;
  port: number;
}

async function bringUp(engine: TestEngine): Promise<Stack> {
  await engine.docker.ok('network', 'create', 'app');
  const run = ['run', '-d', '--network', 'app', '--name'];
  await engine.docker.ok(...run, 'web', '-p', '80', 'busybox', 'sleep', '300');
  await engine.docker.ok(...run, 'asking', 'busybox', 'sleep', '300');
  const pid = await engine.docker.ok('inspect', '-f', '{{.State.Pid}}', 'web');
  const listening = await Listening.start(`/proc/${pid}/ns/net`, 'tcp', 80);
  const port = Number((await engine.docker.ok('port', 'web', '80/tcp')).split('\n')[0]!.split(':').at(-1));
  return { engine, listening, port };
}

async function expectWorking({ engine, port }: Stack): Promise<void> {
  expect(await ask(HOST, 'tcp', '127.0.0.1', port)).toMatch(/^10\./);
  const address = await engine.docker.ok('inspect', '-f', '{{.NetworkSettings.Networks.app.IPAddress}}', 'web');
  expect(await engine.docker.ok('exec', 'asking', 'nslookup', '-type=a', 'web.', '127.0.0.11')).toContain(address);
  await engine.docker.ok('exec', 'asking', 'ping', '-c', '1', '-W', '2', 'web');
}

test('two Gantrys and the rules of another engine do not disturb each other', async () => {
  const before = foreign();
  const stacks = [await bringUp(one), await bringUp(two)];
  try {
    for (const stack of stacks) await expectWorking(stack);

    await one.daemon!.kill();
    await expectWorking(stacks[1]!);
    await one.daemon!.start();
    for (const stack of stacks) await expectWorking(stack);
    expect(foreign()).toBe(before);

    // Neither lets the other's containers in.
    const address = await two.docker.ok('inspect', '-f', '{{.NetworkSettings.Networks.app.IPAddress}}', 'web');
    expect((await one.docker.run(['exec', 'asking', 'ping', '-c', '1', '-W', '1', address])).code).not.toBe(0);
  } finally {
    for (const { engine, listening } of stacks) {
      await listening.stop();
      await engine.docker.ok('rm', '--force', 'web', 'asking');
      await engine.docker.ok('network', 'rm', 'app');
    }
  }
  expect(foreign()).toBe(before);
});
