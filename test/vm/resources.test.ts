import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { useEngine } from '../support/test-engine.js';

const HIERARCHY = '/sys/fs/cgroup';
const MIB = 1024 ** 2;

const engine = useEngine();

interface Inspected {
  State: { Pid: number; OOMKilled: boolean; ExitCode: number; Status: string };
}

interface Stats {
  memory_stats: { usage: number; limit: number };
  pids_stats: { current: number; limit: number };
  cpu_stats: { cpu_usage: { total_usage: number }; online_cpus: number };
}

const inspect = (id: string) => engine.client.json<Inspected>('GET', `/containers/${id}/json`);
const stats = (id: string) => engine.client.json<Stats>('GET', `/containers/${id}/stats?stream=false&one-shot=true`);

/** Where the kernel itself says that the container is. */
async function cgroupOf(id: string): Promise<string> {
  const { State } = await inspect(id);
  const [line = ''] = readFileSync(`/proc/${State.Pid}/cgroup`, 'utf8').trim().split('\n');
  expect(line).toMatch(/^0::\/./);
  return join(HIERARCHY, line.slice('0::'.length));
}

const value = (cgroup: string, file: string): string => readFileSync(join(cgroup, file), 'utf8').trim();

const runSleeper = (...flags: string[]): Promise<string> =>
  engine.docker.ok('run', '-d', '--init', ...flags, 'busybox', 'sleep', '600');

test('the machine has unified cgroup v2 and the engine says so', async () => {
  expect(existsSync(join(HIERARCHY, 'cgroup.controllers'))).toBe(true);
  expect(await engine.client.json('GET', '/info')).toMatchObject({ CgroupVersion: '2' });
});

describe('limits on cgroup v2', () => {
  test('stand in the files of the container', async () => {
    const id = await runSleeper(
      ...['--memory=64m', '--memory-swap=96m', '--memory-reservation=32m', '--pids-limit=77'],
      ...['--cpus=0.5', '--cpuset-cpus=0'],
    );
    const cgroup = await cgroupOf(id);
    expect(value(cgroup, 'memory.max')).toBe(String(64 * MIB));
    // v2 counts swap alone, the API counts it together with memory.
    expect(value(cgroup, 'memory.swap.max')).toBe(String(32 * MIB));
    expect(value(cgroup, 'memory.low')).toBe(String(32 * MIB));
    expect(value(cgroup, 'pids.max')).toBe('77');
    expect(value(cgroup, 'cpu.max')).toBe('50000 100000');
    expect(value(cgroup, 'cpuset.cpus')).toBe('0');
  });

  test('shares become a weight: more for more, 1024 between the ends', async () => {
    const weights: number[] = [];
    for (const shares of [2, 1024, 262144]) {
      const cgroup = await cgroupOf(await runSleeper(`--cpu-shares=${shares}`));
      weights.push(Number(value(cgroup, 'cpu.weight')));
    }
    const [least = 0, middle = 0, most = 0] = weights;
    expect([least, most]).toEqual([1, 10_000]);
    expect(middle).toBeGreaterThan(least);
    expect(middle).toBeLessThan(most);
  });

  test('change while the container runs', async () => {
    const id = await runSleeper('--memory=64m', '--memory-swap=64m');
    await engine.docker.ok('update', '--memory=96m', '--memory-swap=96m', '--pids-limit=50', '--cpus=1', id);
    const cgroup = await cgroupOf(id);
    expect(value(cgroup, 'memory.max')).toBe(String(96 * MIB));
    expect(value(cgroup, 'memory.swap.max')).toBe('0');
    expect(value(cgroup, 'pids.max')).toBe('50');
    expect(value(cgroup, 'cpu.max')).toBe('100000 100000');
  });

  test('hold: no more processes than allowed', async () => {
    const script = 'i=0; while [ $i -lt 20 ]; do sleep 5 & i=$((i+1)); done; wait';
    const { code, stderr } = await engine.docker.run(['run', '--rm', '--pids-limit=8', 'busybox', 'sh', '-c', script]);
    expect(stderr).toMatch(/can't fork|Resource temporarily unavailable/i);
    expect(code).not.toBe(0);
  });

  test('hold: a container that wants more memory is killed, and says so', async () => {
    const id = await engine.docker.ok(
      ...['run', '-d', '--memory=16m', '--memory-swap=16m', 'busybox'],
      ...['sh', '-c', 'dd if=/dev/zero of=/dev/null bs=64M count=1'],
    );
    expect(await engine.docker.ok('wait', id)).toBe('137');
    expect((await inspect(id)).State).toMatchObject({ OOMKilled: true, ExitCode: 137 });
  });
});

describe('block devices on cgroup v2', () => {
  const SCHEDULER = '/sys/block/vda/queue/scheduler';
  const device = readFileSync('/sys/block/vda/dev', 'utf8').trim();
  const WRITTEN = 4 * MIB;

  /** Milliseconds until so many bytes are on the disk. */
  async function write(id: string): Promise<number> {
    const started = performance.now();
    await engine.docker.ok(
      'exec',
      id,
      'dd',
      'if=/dev/zero',
      'of=/file',
      'bs=64k',
      `count=${WRITTEN >> 16}`,
      'conv=fsync',
    );
    return performance.now() - started;
  }

  test('throttles hold', async () => {
    const throttles = ['--device-write-bps=/dev/vda:1mb', '--device-read-iops=/dev/vda:500'];
    const throttled = await runSleeper(...throttles);
    expect(value(await cgroupOf(throttled), 'io.max')).toBe(`${device} rbps=max wbps=${MIB} riops=500 wiops=max`);
    const elapsed = await write(throttled);
    expect(elapsed).toBeGreaterThan(3000);
    expect(await write(await runSleeper())).toBeLessThan(elapsed / 2);
    const { blkio_stats } = await engine.client.json<{
      blkio_stats: { io_service_bytes_recursive: { major: number; minor: number; op: string; value: number }[] };
    }>('GET', `/containers/${throttled}/stats?stream=false&one-shot=true`);
    const [major, minor] = device.split(':').map(Number);
    const written = blkio_stats.io_service_bytes_recursive.find(
      (entry) => entry.major === major && entry.minor === minor && entry.op.toLowerCase() === 'write',
    );
    expect(written?.value).toBeGreaterThanOrEqual(WRITTEN);
  });

  test('weights are those of the scheduler that knows them, and change', async () => {
    writeFileSync(SCHEDULER, 'bfq');
    try {
      const id = await runSleeper('--blkio-weight=300', '--blkio-weight-device=/dev/vda:500');
      const cgroup = await cgroupOf(id);
      expect(value(cgroup, 'io.bfq.weight').split('\n')).toEqual(['default 300', `${device} 500`]);
      await engine.docker.ok('update', '--blkio-weight=700', id);
      expect(value(cgroup, 'io.bfq.weight').split('\n')).toEqual(['default 700', `${device} 500`]);
    } finally {
      writeFileSync(SCHEDULER, 'none');
    }
  });
});

describe('the freezer of cgroup v2', () => {
  test('pauses and resumes', async () => {
    const id = await engine.docker.ok(
      ...['run', '-d', 'busybox', 'sh', '-c'],
      'i=0; while true; do i=$((i+1)); echo $i; usleep 50000; done',
    );
    const cgroup = await cgroupOf(id);
    const lines = async (): Promise<number> => (await engine.docker.ok('logs', id)).split('\n').length;
    await eventually(lines, (count) => count > 2);
    await engine.docker.ok('pause', id);
    expect((await inspect(id)).State.Status).toBe('paused');
    expect(value(cgroup, 'cgroup.events')).toContain('frozen 1');
    const before = await lines();
    await delay(1000);
    expect(await lines()).toBe(before);
    await engine.docker.ok('unpause', id);
    expect(value(cgroup, 'cgroup.events')).toContain('frozen 0');
    await eventually(lines, (count) => count > before);
  });

  test('does not keep a container from being removed', async () => {
    const id = await runSleeper();
    const cgroup = await cgroupOf(id);
    await engine.docker.ok('pause', id);
    await engine.docker.ok('rm', '--force', id);
    expect(existsSync(cgroup)).toBe(false);
  });
});

test('killing a container takes all of its processes and its cgroup', async () => {
  const id = await engine.docker.ok(
    ...['run', '-d', 'busybox', 'sh', '-c'],
    'for i in 1 2 3 4 5; do setsid sleep 600 & done; exec sleep 600',
  );
  const cgroup = await cgroupOf(id);
  const processes = (): number[] => value(cgroup, 'cgroup.procs').split('\n').map(Number);
  const inside = await eventually(processes, (pids) => pids.length === 6);
  await engine.docker.ok('kill', id);
  await engine.docker.ok('wait', id);
  await eventually(
    () => existsSync(cgroup),
    (exists) => !exists,
  );
  for (const pid of inside) expect(existsSync(`/proc/${pid}`)).toBe(false);
});

describe('the device filter (eBPF)', () => {
  // The machine's disk: to open it takes no capability, only the filter's consent.
  const disk = readFileSync('/sys/class/block/vda/dev', 'utf8').trim();
  const attempt = (...flags: string[]) =>
    engine.docker.run([
      ...['run', '--rm', ...flags, 'busybox', 'sh', '-c'],
      `mknod /tmp/disk b ${disk.replace(':', ' ')} && exec 3</tmp/disk && echo open`,
    ]);

  test('refuses what was not granted', async () => {
    const { code, stderr, stdout } = await attempt();
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/operation not permitted|permission denied/i);
  });

  test('lets through what a rule grants', async () => {
    expect(await attempt(`--device-cgroup-rule=b ${disk} r`)).toMatchObject({ code: 0, stdout: 'open\n' });
  });

  test('lets through what every container needs', async () => {
    const script = 'head -c 4 /dev/zero | wc -c; echo x >/dev/null; head -c 4 /dev/urandom | wc -c';
    expect(await engine.docker.ok('run', '--rm', 'busybox', 'sh', '-c', script)).toBe('4\n4');
  });

  test('is open for a privileged container', async () => {
    expect(await attempt('--privileged')).toMatchObject({ code: 0, stdout: 'open\n' });
  });
});

test('stats are those of the kernel', async () => {
  const id = await engine.docker.ok(
    ...['run', '-d', '--memory=64m', '--pids-limit=20', '--tmpfs=/data', 'busybox', 'sh', '-c'],
    'dd if=/dev/zero of=/data/file bs=1M count=16 2>/dev/null; exec sleep 600',
  );
  const cgroup = await cgroupOf(id);
  const seen = await eventually(
    () => stats(id),
    // dd is still one of the container's processes while the last page is written.
    ({ memory_stats, pids_stats }) => memory_stats.usage > 16 * MIB && pids_stats.current === 1,
  );
  expect(seen.memory_stats.limit).toBe(64 * MIB);
  expect(seen.memory_stats.usage).toBeLessThan(48 * MIB);
  expect(seen.pids_stats).toEqual({ current: 1, limit: 20 });
  expect(seen.cpu_stats.online_cpus).toBe(2);
  const kernel = Number(/^usage_usec (\d+)$/m.exec(value(cgroup, 'cpu.stat'))?.[1]) * 1000;
  expect(seen.cpu_stats.cpu_usage.total_usage).toBeGreaterThan(0);
  expect(seen.cpu_stats.cpu_usage.total_usage).toBeLessThanOrEqual(kernel);
});
