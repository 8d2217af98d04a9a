import { completeHostConfig, parseSize } from '../../daemon/containers/host-config.js';
import { withImageDefaults, commandOf } from '../../daemon/containers/image-defaults.js';
import { humanDuration } from '../../daemon/containers/list.js';
import { Backoff, shouldRestart } from '../../daemon/containers/restart-policy.js';
import { parseSignal } from '../../daemon/signals.js';
import { containerCapabilities } from '../../daemon/containers/spec/capabilities.js';
import { createdState } from '../../daemon/containers/state.js';
import { toNanoseconds } from '../../daemon/containers/timestamp.js';

describe('signals', () => {
  test.each([
    ['KILL', 9],
    ['SIGTERM', 15],
    ['sighup', 1],
    ['2', 2],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
  ])('%s is %d', (text, number) => expect(parseSignal(text)).toBe(number));
  test.each(['', 'SIGNONE', '0', '65', 'RTMIN+99'])('%j is refused', (text) => {
    expect(() => parseSignal(text)).toThrow(`invalid signal: ${text}`);
  });
});

describe('restart policies', () => {
  const ended = (exitCode: number, restartCount = 0, stoppedByUser = false): ReturnType<typeof createdState> => ({
    ...createdState(),
    status: 'exited',
    exitCode,
    restartCount,
    stoppedByUser,
  });
  test.each([
    ['no', 1, false],
    ['always', 0, true],
    ['unless-stopped', 0, true],
    ['on-failure', 0, false],
    ['on-failure', 1, true],
  ])('%s after exit code %d', (Name, exitCode, expected) => {
    expect(shouldRestart({ Name } as never, ended(exitCode))).toBe(expected);
    expect(shouldRestart({ Name } as never, ended(exitCode, 0, true))).toBe(false);
  });
  test('on-failure counts its attempts', () => {
    const policy = { Name: 'on-failure', MaximumRetryCount: 2 } as never;
    expect(shouldRestart(policy, ended(1, 1))).toBe(true);
    expect(shouldRestart(policy, ended(1, 2))).toBe(false);
  });
  test('the delay doubles to a minute, and starts over after a steady run', () => {
    const backoff = new Backoff();
    expect([0, 0, 0].map(() => backoff.next(0))).toEqual([100, 200, 400]);
    for (let round = 0; round < 20; round++) backoff.next(0);
    expect(backoff.next(0)).toBe(60_000);
    expect(backoff.next(10_000)).toBe(100);
  });
});

describe('capabilities', () => {
  const granted = (hostConfig: object): string[] => containerCapabilities(hostConfig);
  test('fourteen by default', () => expect(granted({})).toHaveLength(14));
  test('added and dropped, with and without prefix, in any case', () => {
    const names = granted({ CapAdd: ['net_admin'], CapDrop: ['CAP_CHOWN'] });
    expect(names).toContain('CAP_NET_ADMIN');
    expect(names).not.toContain('CAP_CHOWN');
  });
  test('ALL', () => {
    expect(granted({ CapDrop: ['ALL'] })).toEqual([]);
    expect(granted({ CapDrop: ['ALL'], CapAdd: ['KILL'] })).toEqual(['CAP_KILL']);
    const all = granted({ CapAdd: ['ALL'], CapDrop: ['SYS_ADMIN'] });
    expect(all).toHaveLength(40);
    expect(all).not.toContain('CAP_SYS_ADMIN');
    expect(granted({ Privileged: true })).toHaveLength(41);
  });
  test('an unknown one is refused by name', () => {
    expect(() => granted({ CapAdd: ['FLY'] })).toThrow('invalid CapAdd: unknown capability: "FLY"');
  });
});

describe('configuration of the image and of the user', () => {
  const merge = (own: object, image: object): ReturnType<typeof commandOf> => commandOf(withImageDefaults(own, image));
  test.each([
    [{}, { Cmd: ['a', 'b'] }, { path: 'a', args: ['b'] }],
    [{ Cmd: ['c'] }, { Cmd: ['a'], Entrypoint: ['e'] }, { path: 'e', args: ['c'] }],
    [{ Entrypoint: ['x'] }, { Cmd: ['a'] }, { path: 'x', args: [] }],
    [{ Entrypoint: [''], Cmd: ['y'] }, { Entrypoint: ['e'] }, { path: 'y', args: [] }],
  ])('%j over %j', (own, image, expected) => expect(merge(own, image)).toEqual(expected));
  test('nothing to run', () => expect(() => merge({}, {})).toThrow('no command specified'));
  test('environment: the user wins, the rest stays', () => {
    const config = withImageDefaults({ Env: ['A=1'] }, { Env: ['A=0', 'B=2'] });
    expect(config.Env).toEqual(['A=1', 'B=2']);
  });
});

describe('limits that cannot be', () => {
  const complete = (hostConfig: object): unknown =>
    completeHostConfig(hostConfig, {
      runtime: 'gantry',
      runtimes: new Set(['gantry']),
      logDriver: 'json-file',
      logOptions: {},
      shmSize: 64,
      ipcMode: 'private',
      cgroupNamespaceMode: 'host',
      cpus: 2,
      noNewPrivileges: false,
    });
  test.each([
    [{ Memory: 1 }, 'Minimum memory limit allowed is 6MB'],
    [{ Memory: 10 ** 8, MemorySwap: 10 ** 7 }, 'Minimum memoryswap limit should be larger than memory limit'],
    [{ MemorySwap: 10 ** 8 }, 'You should always set the Memory limit'],
    [{ NanoCpus: 3e9 }, 'as there are only 2 CPUs available'],
    [{ NanoCpus: 1e9, CpuQuota: 50_000 }, 'Nano CPUs and CPU Quota cannot both be set'],
    [{ CpuPeriod: 10 }, 'CPU cfs period can not be less than 1ms'],
    [{ CpusetCpus: 'a' }, 'Invalid value a for cpuset cpus'],
    [{ CpusetCpus: '0-2' }, 'Requested CPUs are not available - requested 0-2, available: 0-1'],
    [{ BlkioWeight: 5 }, 'Range of blkio weight'],
    [{ PidMode: 'hosts' }, 'invalid PID mode: hosts'],
    [{ Runtime: 'kata' }, 'unknown or invalid runtime name: kata'],
    [{ RestartPolicy: { Name: 'sometimes' } }, "unknown policy 'sometimes'"],
    [
      { AutoRemove: true, RestartPolicy: { Name: 'always' } },
      "can't create 'AutoRemove' container with restart policy",
    ],
    [{ Sysctls: { 'kernel.panic': '1' } }, "sysctl 'kernel.panic' is not allowed"],
    [{ Sysctls: { 'net.core.somaxconn': '1' }, NetworkMode: 'host' }, 'not allowed in host network namespace'],
    [{ Ulimits: [{ Name: 'nofiles', Soft: 1, Hard: 1 }] }, 'invalid ulimit type: nofiles'],
    [{ Ulimits: [{ Name: 'nofile', Soft: 2, Hard: 1 }] }, 'ulimit soft limit must be less than or equal'],
    [{ LogConfig: { Type: 'syslog' } }, 'logging driver "syslog" is not supported'],
    [{ LogConfig: { Type: 'json-file', Config: { 'max-size': 'big' } } }, "invalid value 'big' of log opt 'max-size'"],
    [{ StorageOpt: { size: '1g' } }, 'HostConfig.StorageOpt is not supported'],
    [{ DeviceRequests: [{ Count: 1 }] }, 'HostConfig.DeviceRequests is not supported'],
    [{ DeviceCgroupRules: ['x 1:1 r'] }, "invalid device cgroup rule format: 'x 1:1 r'"],
    [{ SecurityOpt: ['seccomp={'] }, 'decoding seccomp profile failed'],
    [{ SecurityOpt: ['magic=on'] }, 'invalid --security-opt'],
  ])('%j', (hostConfig, message) => expect(() => complete(hostConfig)).toThrow(message));
});

test.each([
  ['100', 100],
  ['10k', 10_240],
  ['1m', 1_048_576],
  ['2g', 2 ** 31],
  ['-1', -1],
  ['big', undefined],
])('size %s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

test.each([
  [0.5, 'Less than a second'],
  [1.5, '1 second'],
  [59, '59 seconds'],
  [60, 'About a minute'],
  [150, '2 minutes'],
  [3600, 'About an hour'],
  [86_400 * 3, '3 days'],
])('%d s is %s', (seconds, text) => expect(humanDuration(seconds)).toBe(text));

test('times keep their nanoseconds', () => {
  expect(toNanoseconds('1970-01-01T00:00:01.000000002Z')).toBe(1_000_000_002n);
  expect(toNanoseconds('1970-01-01T01:00:00+01:00')).toBe(0n);
});
