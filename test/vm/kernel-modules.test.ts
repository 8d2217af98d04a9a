import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually.js';
import { OtherHost } from '../support/other-host.js';
import { useEngine } from '../support/test-engine.js';

/** What the kernels of small machines lack: ipvlan, VLANs, dummies, SCTP, NFS. */
const engine = useEngine();
const subnet = (number: number): string => `192.168.${number}`;

for (const name of ['ipvlan', '8021q', 'dummy', 'sctp', 'nfsd']) execFileSync('modprobe', [name]);

let outside: OtherHost;
beforeAll(() => {
  outside = new OtherHost();
});
afterAll(() => outside.remove());

const sleeper = (name: string, ...flags: string[]): Promise<string> =>
  engine.docker.ok('run', '-d', '--init', '--name', name, ...flags, 'busybox', 'sleep', '600');

const exec = (name: string, ...command: string[]): Promise<string> => engine.docker.ok('exec', name, ...command);

const reaches = async (name: string, address: string): Promise<boolean> =>
  (await engine.docker.run(['exec', name, 'ping', '-c', '1', '-W', '2', address])).code === 0;

const create = (name: string, driver: string, ...options: string[]): Promise<string> =>
  engine.docker.ok('network', 'create', '--driver', driver, ...options, name);

test('an ipvlan of mode l2 is on the link of the host, whose MAC address it has', async () => {
  const lan = subnet(201);
  outside.ip('address', 'add', `${lan}.200/24`, 'dev', 'eth0');
  await create('lan', 'ipvlan', '--subnet', `${lan}.0/24`, '--opt', `parent=${outside.link}`);
  await sleeper('ca', '--network', 'lan');
  await sleeper('cb', '--network', 'lan', '--ip', `${lan}.77`);
  expect(await reaches('ca', `${lan}.200`)).toBe(true);
  expect(await reaches('ca', `${lan}.77`)).toBe(true);
  const mac = execFileSync('cat', [`/sys/class/net/${outside.link}/address`], { encoding: 'utf8' }).trim();
  expect(await exec('ca', 'cat', '/sys/class/net/eth0/address')).toBe(mac);
});

test('an ipvlan of mode l3 routes between its subnets and has no gateway; a private one parts its containers', async () => {
  const [one, two, three] = [subnet(202), subnet(203), subnet(204)];
  const both = ['--subnet', `${one}.0/24`, '--subnet', `${two}.0/24`];
  await create('routed', 'ipvlan', ...both, '--opt', `parent=${outside.link}`, '--opt', 'ipvlan_mode=l3');
  await sleeper('ca', '--network', 'routed');
  await sleeper('cb', '--network', 'routed', '--ip', `${two}.9`);
  expect(await exec('ca', 'ip', 'route')).toMatch(/^default dev eth0/m);
  expect(await reaches('ca', `${two}.9`)).toBe(true);
  await engine.docker.ok('rm', '--force', 'ca', 'cb');
  await engine.docker.ok('network', 'rm', 'routed');

  const apart = ['--opt', 'ipvlan_mode=l3s', '--opt', 'ipvlan_flag=private'];
  await create('apart', 'ipvlan', '--subnet', `${three}.0/24`, '--opt', `parent=${outside.link}`, ...apart);
  await sleeper('cc', '--network', 'apart');
  await sleeper('cd', '--network', 'apart', '--ip', `${three}.9`);
  expect(await reaches('cc', `${three}.9`)).toBe(false);
});

test('a VLAN is made for a network, and goes with it; what was there stays', async () => {
  const lan = subnet(205);
  outside.ip('link', 'add', 'link', 'eth0', 'name', 'tagged', 'type', 'vlan', 'id', '30');
  outside.ip('address', 'add', `${lan}.200/24`, 'dev', 'tagged');
  outside.ip('link', 'set', 'tagged', 'up');
  const link = `${outside.link}.30`;
  await create('lan', 'macvlan', '--subnet', `${lan}.0/24`, '--opt', `parent=${link}`);
  expect(existsSync(`/sys/class/net/${link}`)).toBe(true);
  await sleeper('box', '--network', 'lan');
  expect(await reaches('box', `${lan}.200`)).toBe(true);
  await engine.docker.ok('rm', '--force', 'box');
  await engine.docker.ok('network', 'rm', 'lan');
  expect(existsSync(`/sys/class/net/${link}`)).toBe(false);
  expect(existsSync(`/sys/class/net/${outside.link}`)).toBe(true);
});

test.each(['macvlan', 'ipvlan'])('a %s without a parent has a link of its own, and no way out', async (driver) => {
  const lan = subnet(206);
  await create('lan', driver, '--subnet', `${lan}.0/24`, '--ipv6', '--subnet', 'fd77:206::/64');
  await sleeper('ca', '--network', 'lan');
  await sleeper('cb', '--network', 'lan', '--ip', `${lan}.77`, '--ip6', 'fd77:206::77');
  for (const address of [`${lan}.77`, 'fd77:206::77']) expect(await reaches('ca', address)).toBe(true);
  expect(await reaches('ca', outside.address)).toBe(false);
  const dummies = (): string => execFileSync('ip', ['-o', 'link', 'show', 'type', 'dummy'], { encoding: 'utf8' });
  expect(dummies()).toMatch(/: d[mi]-[0-9a-f]{12}:/);
  await engine.docker.ok('rm', '--force', 'ca', 'cb');
  await engine.docker.ok('network', 'rm', 'lan');
  expect(dummies()).not.toMatch(/: d[mi]-/);
});

const SCTP_SERVER = `
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
server.bind(('', 90)); server.listen(); print('ready', flush=True)
while True:
    peer, address = server.accept(); peer.send(address[0].encode()); peer.close()
`;
const SCTP_CLIENT = `
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
client.settimeout(20); client.bind((sys.argv[1], 0)); client.connect((sys.argv[2], 7000)); print(client.recv(100).decode())
`;

test('a published port of SCTP leads to the container, which sees who asks', async () => {
  await sleeper('web', '--publish', '7000:90/sctp');
  const pid = await engine.docker.ok('inspect', '--format', '{{.State.Pid}}', 'web');
  const server = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, 'python3', '-c', SCTP_SERVER], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(server.stdout, 'data');
    const words = [`--net=${outside.namespace}`, 'python3', '-c', SCTP_CLIENT, outside.address, outside.ours];
    const answer = await eventually(
      () => promisify(execFile)('nsenter', words).catch(() => ({ stdout: '' })),
      ({ stdout }) => stdout !== '',
    );
    expect(answer.stdout.trim()).toBe(outside.address);
  } finally {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
});

/**
 * Has the kernel serve a directory over NFS, without any program around it: it is given the answers that it would ask
 * rpc.mountd for.
 */
function serveOverNfs(directory: string): void {
  execFileSync('mount', ['-t', 'nfsd', 'nfsd', '/proc/fs/nfsd']);
  const expiry = Math.floor(Date.now() / 1000) + 100_000;
  // Any port of the client, no check of subtrees, the root of the server: NFSEXP_… of linux/nfsd/export.h.
  const flags = 0x2 | 0x400 | 0x2000;
  const write = (path: string, text: string): void => writeFileSync(path, `${text}\n`);
  write('/proc/net/rpc/auth.unix.ip/channel', `nfsd 127.0.0.1 ${expiry} all`);
  write('/proc/net/rpc/nfsd.export/channel', `all ${directory} ${expiry} ${flags} 65534 65534 0`);
  write('/proc/net/rpc/nfsd.fh/channel', `all 1 \\x00000000 ${expiry} ${directory}`);
  write('/proc/fs/nfsd/versions', '-2 -3 +4');
  // How long nobody may open anything, because a former client could have something to claim: no less is taken.
  write('/proc/fs/nfsd/nfsv4gracetime', '10');
  write('/proc/fs/nfsd/portlist', 'tcp 2049');
  write('/proc/fs/nfsd/threads', '2');
}

const nfsMounts = (): string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.split(' ')[2] === 'nfs4');

test('a volume on NFS is mounted while it is used, also across a kill of the daemon', async () => {
  const exported = mkdtempSync('/tmp/export-');
  serveOverNfs(exported);
  mkdirSync(join(exported, 'part'), { recursive: true });
  writeFileSync(join(exported, 'part/greeting'), 'hello');
  const options = ['type=nfs', 'o=addr=localhost,rw,nfsvers=4.2', 'device=:/'];
  await engine.docker.ok('volume', 'create', ...options.flatMap((option) => ['--opt', option]), 'remote');
  expect(nfsMounts()).toEqual([]);
  await engine.docker.ok('run', '-d', '--init', '--name', 'box', '-v', 'remote:/r', 'busybox', 'sleep', '600');
  expect(await engine.docker.ok('exec', 'box', 'cat', '/r/part/greeting')).toBe('hello');
  expect(nfsMounts()).toHaveLength(1);
  await engine.docker.ok('exec', 'box', 'sh', '-c', 'echo mine >/r/part/written');
  expect(readFileSync(join(exported, 'part/written'), 'utf8')).toBe('mine\n');
  await engine.daemon!.kill();
  await engine.daemon!.start();
  const part = 'type=volume,src=remote,dst=/p,volume-subpath=part,readonly';
  expect(await engine.docker.ok('run', '--rm', '--mount', part, 'busybox', 'cat', '/p/written')).toBe('mine');
  await engine.docker.ok('rm', '--force', 'box');
  expect(nfsMounts()).toEqual([]);
  await engine.docker.ok('volume', 'rm', 'remote');
  expect(readFileSync(join(exported, 'part/written'), 'utf8')).toBe('mine\n');
});
