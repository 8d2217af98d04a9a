/** Options of dockerd that Gantry does not have, each with the reason that its refusal gives. Keys are flag names. */
interface Refusal {
  /** Key in daemon.json where it differs from the flag. */
  key?: string;
  reason: string;
}

const containerd = { reason: 'Gantry runs containers itself and uses no containerd' };
const swarm = { reason: 'Gantry has no swarm mode' };

const refusals: Record<string, Refusal> = {
  'allow-nondistributable-artifacts': { reason: 'layers that may not be distributed are for Windows images only' },
  'authorization-plugin': { key: 'authorization-plugins', reason: 'Gantry has no plugins' },
  'cdi-spec-dir': { key: 'cdi-spec-dirs', reason: 'CDI devices are not supported' },
  containerd,
  'containerd-namespace': containerd,
  'containerd-plugins-namespace': containerd,
  'cpu-rt-period': { reason: 'realtime scheduling of the parent cgroup is not supported' },
  'cpu-rt-runtime': { reason: 'realtime scheduling of the parent cgroup is not supported' },
  'cri-containerd': containerd,
  experimental: { reason: 'Gantry has no experimental mode' },
  feature: { key: 'features', reason: 'Gantry has no features to turn on or off' },
  'ip-forward-no-drop': { reason: 'Gantry never changes the policy of the FORWARD chain' },
  'metrics-addr': { reason: 'Gantry has no metrics endpoint' },
  'network-control-plane-mtu': swarm,
  'node-generic-resource': { key: 'node-generic-resources', ...swarm },
  'oom-score-adjust': { reason: 'set OOMScoreAdjust= in the systemd unit' },
  'raw-logs': { reason: 'use --log-format json' },
  rootless: { reason: 'Gantry runs as root' },
  'selinux-enabled': { reason: 'SELinux labels are not supported' },
  'storage-opt': { key: 'storage-opts', reason: 'overlayfs has no options here' },
  'swarm-default-advertise-addr': swarm,
  'userland-proxy-path': { reason: 'Gantry publishes ports without a proxy process' },
  builder: { reason: 'the garbage collection of the build cache cannot be configured' },
};

/** Why a flag of dockerd is refused; undefined if dockerd has no such flag either. */
export function refusedFlag(flag: string): string | undefined {
  return Object.hasOwn(refusals, flag) ? refusals[flag]?.reason : undefined;
}

/** Why a daemon.json key of dockerd is refused; undefined if dockerd has no such key either. */
export function refusedKey(key: string): string | undefined {
  for (const [flag, refusal] of Object.entries(refusals)) if ((refusal.key ?? flag) === key) return refusal.reason;
  return undefined;
}
