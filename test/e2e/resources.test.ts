import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { eventually } from '../support/eventually.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();

const sh = (script: string, ...flags: string[]): Promise<string> =>
  engine.docker.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

/** Eats memory until it is stopped; `tail` keeps everything that has no line end. */
const EAT_MEMORY = 'head -c 200000000 /dev/zero | tail > /dev/null';

const inspect = (name: string, format: string): Promise<string> => engine.docker.ok('inspect', '-f', format, name);

test('more memory than allowed is 137, and inspect says why', async () => {
  const flags = ['--name', 'eater', '--memory', '32m', '--memory-swap', '32m'];
  const { code } = await engine.docker.run(['run', ...flags, 'busybox', 'sh', '-c', `exec tail < /dev/zero`]);
  expect(code).toBe(137);
  expect(await inspect('eater', '{{.State.OOMKilled}} {{.State.ExitCode}}')).toBe('true 137');
});

test('a child killed for memory is an event, and the container runs on', async () => {
  const since = Date.now();
  // A busy kernel may take a second one before the memory of the first is back: init is to be the last choice.
  const script = `sh -c 'echo 1000 > /proc/self/oom_score_adj; ${EAT_MEMORY}'; sleep 300`;
  const flags = ['--name', 'eater', '--memory', '32m', '--memory-swap', '32m'];
  await engine.docker.ok('run', '-d', ...flags, 'busybox', 'sh', '-c', script);
  await eventually(
    () => engine.docker.eventsSince(since, 'event=oom', '{{.Action}}'),
    ([event]) => event === 'oom',
  );
  expect(await inspect('eater', '{{.State.Running}}')).toBe('true');
});

test('--pids-limit holds', async () => {
  const script = 'for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done 2>&1; wait';
  const { stdout, stderr } = await engine.docker.run([
    'run',
    '--rm',
    '--pids-limit',
    '5',
    'busybox',
    'sh',
    '-c',
    script,
  ]);
  expect(stdout + stderr).toMatch(/can't fork|Resource temporarily unavailable/);
});

test('--cpus bounds what a busy loop gets', async () => {
  await engine.docker.ok('run', '-d', '--name', 'busy', '--cpus', '0.2', 'busybox', 'sh', '-c', 'while :; do :; done');
  const pid = await inspect('busy', '{{.State.Pid}}');
  const ticks = (): number => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[11]);
  const before = ticks();
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const share = (ticks() - before) / 200;
  expect(share).toBeGreaterThan(0.02);
  expect(share).toBeLessThan(0.35);
});

test('--cpuset-cpus is what the process sees', async () => {
  expect(await sh("awk '/Cpus_allowed_list/{print $2}' /proc/self/status", '--cpuset-cpus', '0')).toBe('0');
  expect(await engine.docker.fails('run', '--rm', '--cpuset-cpus', '4000', 'busybox', 'true')).toMatch(
    /Requested CPUs are not available/,
  );
});

test('throttles of a block device stand in the files of the container', async () => {
  const name = readdirSync('/sys/block').find((entry) => existsSync(`/dev/${entry}`));
  if (name === undefined) return; // nothing to throttle on this machine
  const number = readFileSync(`/sys/block/${name}/dev`, 'utf8').trim();
  const script =
    'cd /sys/fs/cgroup; cat io.max 2>/dev/null || ' +
    'for f in read_bps write_bps read_iops write_iops; do cat blkio/blkio.throttle.${f}_device; done';
  const flags = ['read-bps', 'write-bps', 'read-iops', 'write-iops'].map(
    (kind, index) => `--device-${kind}=/dev/${name}:${1024 * 1024 + 4096 * index}`,
  );
  const shown = await engine.docker.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
  const [rbps, wbps, riops, wiops] = [1048576, 1052672, 1056768, 1060864];
  expect([
    `${number} rbps=${rbps} wbps=${wbps} riops=${riops} wiops=${wiops}`,
    [rbps, wbps, riops, wiops].map((rate) => `${number} ${rate}`).join('\n'),
  ]).toContain(shown);
  expect(await engine.docker.fails('run', '--rm', '--device-read-bps', '/dev/null:1mb', 'busybox', 'true')).toContain(
    '/dev/null',
  );
});

test('--ulimit sets soft and hard', async () => {
  const flags = ['--ulimit', 'nofile=123:456', '--ulimit', 'core=0'];
  expect(await sh('ulimit -Sn; ulimit -Hn; ulimit -c', ...flags)).toBe('123\n456\n0');
});

test("--sysctl of the container's own namespaces", async () => {
  const flags = ['--sysctl', 'net.ipv4.ip_unprivileged_port_start=77', '--sysctl', 'kernel.shmmax=123456'];
  expect(await sh('cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmax', ...flags)).toBe(
    '77\n123456',
  );
  expect(await engine.docker.fails('run', '--rm', '--sysctl', 'vm.swappiness=1', 'busybox', 'true')).toMatch(
    /swappiness/,
  );
});

test('update changes a running container', async () => {
  await engine.docker.ok(
    'run',
    '-d',
    '--name',
    'box',
    '--memory',
    '64m',
    '--memory-swap',
    '64m',
    'busybox',
    'sleep',
    '300',
  );
  await engine.docker.ok(
    'update',
    '--memory',
    '128m',
    '--memory-swap',
    '128m',
    '--pids-limit',
    '33',
    '--cpus',
    '0.5',
    'box',
  );
  expect(await inspect('box', '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.NanoCpus}}')).toBe(
    '134217728 33 500000000',
  );
  const line = JSON.parse(await engine.docker.ok('stats', '--no-stream', '--format', 'json', 'box')) as {
    MemUsage: string;
  };
  expect(line.MemUsage).toMatch(/ \/ 128MiB$/);
  expect(await inspect('box', '{{.State.Running}}')).toBe('true');
});

test('limits are shown as Docker shows them: swap follows memory once, and no limit of processes is null', async () => {
  const shown = (): Promise<string> =>
    inspect('box', '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{json .HostConfig.PidsLimit}}');
  const limitOfPids = async (): Promise<number | undefined> => {
    const path = '/containers/box/stats?one-shot=1&stream=0';
    return (await engine.client.json<{ pids_stats: { limit?: number } }>('GET', path)).pids_stats.limit;
  };
  await engine.docker.ok('run', '-d', '--name', 'box', '--pids-limit', '-1', '-m', '32m', 'busybox', 'sleep', '300');
  expect(await shown()).toBe('33554432 67108864 null');
  await engine.docker.ok('update', '-m', '48m', '--pids-limit', '20', 'box');
  expect(await shown()).toBe('50331648 67108864 20');
  const refused = await engine.client.send('POST', '/containers/box/update', { Memory: 80 * 1024 * 1024 });
  expect([refused.status, refused.body.toString()]).toEqual([
    409,
    expect.stringContaining('Memory limit should be smaller than already set memoryswap limit'),
  ]);
  expect(await limitOfPids()).toBe(20);
  await engine.docker.ok('update', '--pids-limit', '-1', 'box');
  expect([await shown(), await limitOfPids()]).toEqual(['50331648 67108864 0', undefined]);
});

test('update changes the restart policy', async () => {
  await engine.docker.ok('run', '-d', '--name', 'box', 'busybox', 'sleep', '300');
  await engine.docker.ok('update', '--restart', 'on-failure:3', 'box');
  expect(
    await inspect('box', '{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}'),
  ).toBe('on-failure:3');
});

test.each([
  [['--memory', '1m'], /Minimum memory limit allowed is 6MB/],
  [['--memory', '64m', '--memory-swap', '32m'], /Minimum memoryswap limit should be larger than memory limit/],
  [['--memory-swap', '64m'], /You should always set the Memory limit when using Memoryswap limit/],
  [['--cpus', '9000'], /range of CPUs is from 0\.01 to/i],
  [['--cpu-quota', '10'], /CPU cfs quota can not be less than 1ms/],
  [['--cpus', '1', '--cpu-quota', '50000'], /Conflicting options: Nano CPUs and CPU Quota cannot both be set/],
  [
    ['--memory', '64m', '--memory-reservation', '128m'],
    /Minimum memory limit can not be less than memory reservation limit/,
  ],
])('%j is refused with the reason', async (flags, message) => {
  expect(await engine.docker.fails('create', ...flags, 'busybox', 'true')).toMatch(message);
});

test('--shm-size is the size of /dev/shm', async () => {
  expect(await sh('df -k /dev/shm | tail -1', '--shm-size', '8m')).toMatch(/ 8192 /);
  expect(await sh('df -k /dev/shm | tail -1')).toMatch(/ 65536 /);
});

test('--oom-score-adj is set', async () => {
  expect(await sh('cat /proc/self/oom_score_adj', '--oom-score-adj', '321')).toBe('321');
});

test.each([
  { Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }] },
  { Init: true },
  { CgroupParent: '/other' },
  { DeviceCgroupRules: ['c 1:3 rwm'] },
])('an update of %j is refused by name, and what is blank is no update', async (change) => {
  await engine.docker.ok('create', '--name', 'box', 'busybox');
  const [name = ''] = Object.keys(change);
  const { status, body } = await engine.client.send('POST', '/containers/box/update', change);
  expect([status, body.toString()]).toEqual([501, expect.stringContaining(`HostConfig.${name} is not supported`)]);
  const blank = { CpuShares: 512, Ulimits: [], CgroupParent: '', Devices: null, MemorySwappiness: -1 };
  expect((await engine.client.send('POST', '/containers/box/update', blank)).status).toBe(200);
});
