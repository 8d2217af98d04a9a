import { execFileSync } from 'node:child_process';
import { eventually } from '../support/eventually.js';
import { ask, HOST, Listening } from '../support/network-peers.js';
import { OtherHost } from '../support/other-host.js';
import { DaemonProcess } from '../support/daemon-process.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useEngine } from '../support/test-engine.js';

// Before the engine compares the host with what it was: a program in a container's network keeps its interface.
let listening: Listening | undefined;
afterEach(() => listening?.stop());

const engine = useEngine();
let outside: OtherHost;
const table = `user${process.pid}`;

beforeAll(() => {
  outside = new OtherHost();
});
afterEach(async () => {
  try {
    nft(`delete table inet ${table}`);
  } catch {
    // The test has not made it.
  }
  await restart();
});
afterAll(() => outside.remove());

async function restart(configuration: object = {}): Promise<void> {
  const { daemon } = engine;
  await daemon!.stop();
  writeFileSync(join((daemon as DaemonProcess).root, 'daemon.json'), JSON.stringify(configuration));
  await daemon!.start();
}

async function published(): Promise<number> {
  await engine.docker.ok('run', '-d', '--name', 'web', '-p', '80', 'busybox', 'sleep', '300');
  const pid = await engine.docker.ok('inspect', '-f', '{{.State.Pid}}', 'web');
  listening = await Listening.start(`/proc/${pid}/ns/net`, 'tcp', 80);
  return Number((await engine.docker.ok('port', 'web', '80/tcp')).split('\n')[0]!.split(':').at(-1));
}

const refuseInput = (port: number): void =>
  nft(`table inet ${table} { chain input { type filter hook input priority 0; tcp dport ${port} drop;\n}\n}`);

test('with netfilter, published ports pass the FORWARD chain and not INPUT', async () => {
  const port = await published();
  refuseInput(port);
  expect(await ask(outside.namespace, 'tcp', outside.ours, port)).toBe(outside.address);
});

test('with "shim", what the host refuses at its INPUT chain is refused', async () => {
  await restart({ 'port-forwarding': 'shim' });
  const port = await published();
  expect(await ask(outside.namespace, 'tcp', outside.ours, port)).toMatch(/^10\./);
  expect(await ask(outside.namespace, 'tcp', outside.ours6, port)).toMatch(/^10\./);
  refuseInput(port);
  expect(await ask(outside.namespace, 'tcp', outside.ours, port)).toBe('timeout');
  nft(`delete table inet ${table}`);
  expect(await ask(outside.namespace, 'tcp', outside.ours, port)).toMatch(/^10\./);
});

test('beside a firewall that drops what is forwarded, as dockerd sets one up, published ports work', async () => {
  nft(`table inet ${table} { chain forward { type filter hook forward priority 0; policy drop;\n}\n}`);
  await restart();
  const port = await published();
  expect(await ask(outside.namespace, 'tcp', outside.ours, port)).toMatch(/^10\./);
  expect(await ask(HOST, 'tcp', '127.0.0.1', port)).toMatch(/^10\./);
  expect(engine.daemon!.logTail()).toContain(`inet ${table} forward`);
});

describe("beside iptables' FORWARD chain that drops, as dockerd and ufw set it up", () => {
  const rule = '-m mark --mark 0x10000000/0x10000000 -m comment --comment';

  beforeEach(() => {
    for (const command of ['iptables', 'ip6tables']) run(command, '-P', 'FORWARD', 'DROP');
  });
  afterEach(() => {
    for (const family of ['ip', 'ip6']) nft(`table ${family} filter { }\ndelete table ${family} filter`);
  });

  test('traffic of containers passes, with one rule in there, which iptables shows', async () => {
    await restart();
    const port = await published();
    expect(await ask(outside.namespace, 'tcp', outside.ours, port)).toBe(outside.address);
    const pid = await engine.docker.ok('inspect', '-f', '{{.State.Pid}}', 'web');
    const beyond = await Listening.start(outside.namespace, 'tcp', 81);
    try {
      expect(await ask(`/proc/${pid}/ns/net`, 'tcp', outside.address, 81)).toBe(outside.ours);
    } finally {
      await beyond.stop();
    }
    await engine.daemon!.kill();
    await engine.daemon!.start();
    await restart();
    for (const command of ['iptables', 'ip6tables']) expect(rulesOf(command, 'FORWARD')).toHaveLength(1);
    expect(rulesOf('iptables', 'FORWARD')[0]).toContain(rule);
  });

  test('the rule stands in DOCKER-USER, comes back after a reload, and goes with the last container', async () => {
    run('iptables', '-N', 'DOCKER-USER');
    run('iptables', '-A', 'FORWARD', '-j', 'DOCKER-USER');
    await restart();
    await published();
    await listening?.stop();
    expect(rulesOf('iptables', 'FORWARD')).toHaveLength(0);
    expect(rulesOf('iptables', 'DOCKER-USER')).toHaveLength(1);
    execFileSync('iptables-restore', { input: run('iptables-save') });
    run('iptables', '-F', 'FORWARD');
    run('iptables', '-A', 'FORWARD', '-j', 'DOCKER-USER');
    await restart();
    expect(rulesOf('iptables', 'DOCKER-USER')).toHaveLength(1);
    run('iptables', '-F', 'DOCKER-USER');
    process.kill(engine.daemon!.pid, 'SIGHUP');
    await eventually(
      () => rulesOf('iptables', 'DOCKER-USER').length,
      (count) => count === 1,
    );
    await engine.docker.ok('rm', '-f', 'web');
    await engine.daemon!.stop();
    expect(rulesOf('iptables', 'DOCKER-USER')).toHaveLength(0);
    await engine.daemon!.start();
  });

  const rulesOf = (command: string, chain: string): string[] =>
    run(command, '-S', chain)
      .split('\n')
      .filter((line) => line.includes(rule));
});

function run(command: string, ...words: string[]): string {
  return execFileSync(command, words, { encoding: 'utf8', stdio: 'pipe' });
}

function nft(script: string): void {
  execFileSync('nft', ['-f', '-'], { input: script, stdio: ['pipe', 'pipe', 'pipe'] });
}
