/** Options of dockerd that Gantry does not have, each with the reason that its refusal gives. Keys are flag names. */
interface Refusal {
  /** Key in daemon.json where it differs from the flag. */
  key?: string;
  reason: string;
}

const containerd = { reason: 'Gantry runs containers itself and uses no containerd' };
const ipv6 = { reason: 'the default network of Gantry is IPv4 only' };
const swarm = { reason: 'Gantry has no swarm mode' };

const refusals: Record<string, Refusal> = {
  'allow-direct-routing': { reason: 'not supported' },
  'allow-nondistributable-artifacts': { reason: 'layers that may not be distributed are for Windows images only' },
  'authorization-plugin': { key: 'authorization-plugins', reason: 'Gantry has no plugins' },
  bip6: ipv6,
  'cdi-spec-dir': { key: 'cdi-spec-dirs', reason: 'CDI devices are not supported' },
  containerd,
  'containerd-namespace': containerd,
  'containerd-plugins-namespace': containerd,
  'cpu-rt-period': { reason: 'realtime scheduling of the parent cgroup is not supported' },
  'cpu-rt-runtime': { reason: 'realtime scheduling of the parent cgroup is not supported' },
  'cri-containerd': containerd,
  'default-address-pool': { key: 'default-address-pools', reason: 'subnets are chosen by Gantry; use --bip' },
  'default-gateway': { reason: "the default network's gateway is its bridge; use --bip" },
  'default-gateway-v6': ipv6,
  'default-network-opt': { key: 'default-network-opts', reason: 'not supported' },
  experimental: { reason: 'Gantry has no experimental mode' },
  feature: { key: 'features', reason: 'Gantry has no features to turn on or off' },
  'fixed-cidr': { reason: 'containers get addresses from the whole subnet of the default bridge; use --bip' },
  'fixed-cidr-v6': ipv6,
  'host-gateway-ip': { key: 'host-gateway-ips', reason: 'host-gateway is always the address of the default bridge' },
  icc: { reason: 'containers of the default network always reach each other' },
  ip: { reason: 'ports are published on all addresses unless the container names one' },
  'ip-forward-no-drop': { reason: 'Gantry never changes the policy of the FORWARD chain' },
  ip6tables: ipv6,
  ipv6,
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
