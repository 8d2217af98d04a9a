import type { SubnetPool } from '../networks/subnet-pools.js';
import { DEFAULT_SOCKET, parseListenAddress } from './listen-address.js';
import {
  boolean,
  bytes,
  expectObject,
  integer,
  list,
  map,
  text,
  textMap,
  word,
  type ValueKind,
} from './value-kinds.js';
import * as syntax from './value-syntax.js';

/** One thing that can be set. The table below drives parsing, validation, `--help` and the README. */
export interface Option<T> {
  /** Long flag, without dashes; absent for what only daemon.json can set. */
  flag?: string;
  short?: string;
  /** Key in daemon.json, dockerd's own where dockerd has one; absent for what only a flag can set. */
  key?: string;
  kind: ValueKind<T>;
  default: T;
  /** Shown as the default where it is worked out at start. */
  derived?: string;
  help: string;
  /** Takes effect on SIGHUP. */
  reloadable?: boolean;
  /** May be given as a flag and in the file; the two are merged by name. */
  mergeable?: boolean;
}

const option = <T>(definition: Option<T>): Option<T> => definition;

function onlyTrue(reason: string): (value: boolean) => void {
  return (value) => {
    if (!value) throw new Error(reason);
  };
}

const ulimits = map<syntax.Ulimit>('ulimit', {
  fromFlag: syntax.ulimitFlag,
  fromFile: (name, value) => {
    const { Name = name, Soft, Hard, ...unknown } = expectObject(value);
    if (Object.keys(unknown).length > 0) throw new Error(`ulimit ${name}: unknown field ${Object.keys(unknown)[0]}`);
    if (Name !== name) throw new Error(`ulimit ${name}: Name is ${JSON.stringify(Name)}`);
    if (typeof Soft !== 'number' || typeof Hard !== 'number')
      throw new Error(`ulimit ${name}: Soft and Hard must be numbers`);
    return syntax.checkUlimit({ Name: name, Soft, Hard });
  },
});

const runtimes = map<syntax.Runtime>('runtime', {
  fromFlag: syntax.runtimeFlag,
  fromFile: (name, value) => {
    const { path = '', runtimeArgs = [], ...unknown } = expectObject(value);
    for (const field of Object.keys(unknown))
      throw new Error(`runtime ${name}: ${field} is not supported, only path and runtimeArgs are`);
    if (typeof path !== 'string' || !Array.isArray(runtimeArgs) || runtimeArgs.some((arg) => typeof arg !== 'string'))
      throw new Error(`runtime ${name}: path must be a string and runtimeArgs an array of strings`);
    return syntax.checkRuntime(name, { path, runtimeArgs: runtimeArgs as string[] });
  },
  show: (runtime) => runtime.path,
});

const addressPools: ValueKind<SubnetPool[]> = {
  placeholder: 'pool',
  fromFlag: (value, sofar = []) => [...sofar, syntax.addressPoolFlag(value)],
  fromFile: (value) => {
    if (!Array.isArray(value)) throw new Error('expected an array of objects with base and size');
    return value.map((each) => {
      const { base, size, ...unknown } = expectObject(each);
      const [field] = Object.keys(unknown);
      if (field !== undefined) throw new Error(`default-address-pools has no "${field}", only base and size`);
      return syntax.addressPool(String(base), Number(size));
    });
  },
  show: (value) => `[${value.map(({ base, size }) => `${base},${size}`).join(' ')}]`,
};

const networkDefaults: ValueKind<Record<string, Record<string, string>>> = {
  placeholder: 'driver=key=value',
  fromFlag: (value, sofar = {}) => {
    const match = /^([^=]+)=([^=]+)=(.*)$/.exec(value);
    if (!match) throw new Error(`${value} must be formatted as driver=key=value`);
    const [, driver = '', key = '', text = ''] = match;
    return { ...sofar, [driver]: { ...sofar[driver], [key]: text } };
  },
  fromFile: (value) =>
    Object.fromEntries(
      Object.entries(expectObject(value)).map(([driver, entries]) => [
        driver,
        Object.fromEntries(Object.entries(expectObject(entries)).map(([key, text]) => [key, String(text)])),
      ]),
    ),
  show: JSON.stringify,
};

/** Everything that can be set, in the order in which the README and `--help` show it. */
export const options = {
  // --- where the daemon lives
  hosts: option({
    flag: 'host',
    short: 'H',
    key: 'hosts',
    kind: list('address', (value) => {
      if (value.trim() === '') return `unix://${DEFAULT_SOCKET}`;
      parseListenAddress(value);
      return value.trim();
    }),
    default: [`unix://${DEFAULT_SOCKET}`],
    help: 'Address to listen on (unix://, tcp://, fd://); may be repeated',
  }),
  group: option({
    flag: 'group',
    short: 'G',
    key: 'group',
    kind: text(),
    default: 'docker',
    help: 'Group that may use the unix socket',
  }),
  configFile: option({
    flag: 'config-file',
    kind: text('path', syntax.absolutePath),
    default: '/etc/gantry/daemon.json',
    help: 'Configuration file',
  }),
  dataRoot: option({
    flag: 'data-root',
    key: 'data-root',
    kind: text('path', syntax.absolutePath),
    default: '/var/lib/gantry',
    help: 'Directory of everything that is kept: images, containers, volumes, the database',
  }),
  execRoot: option({
    flag: 'exec-root',
    key: 'exec-root',
    kind: text('path', syntax.absolutePath),
    default: '/run/gantry',
    help: 'Directory of the state of running containers',
  }),
  pidfile: option({
    flag: 'pidfile',
    short: 'p',
    key: 'pidfile',
    kind: text('path', syntax.absolutePath),
    default: '/run/gantry.pid',
    help: "File with the daemon's process id",
  }),
  debug: option({
    flag: 'debug',
    short: 'D',
    key: 'debug',
    kind: boolean(),
    default: false,
    help: 'Log at level debug',
    reloadable: true,
  }),
  logLevel: option({
    flag: 'log-level',
    short: 'l',
    key: 'log-level',
    kind: word(['debug', 'info', 'warn', 'error', 'fatal'], (given) => `invalid logging level: ${given}`),
    default: 'info',
    help: "Level of the daemon's own log",
    reloadable: true,
  }),
  logFormat: option({
    flag: 'log-format',
    key: 'log-format',
    kind: word(['text', 'json'], (given) => `invalid log format: ${given}`),
    default: 'text',
    help: "Format of the daemon's own log",
  }),
  labels: option({
    flag: 'label',
    key: 'labels',
    kind: list('key=value', syntax.label),
    default: [],
    help: 'Label of the daemon; may be repeated',
    reloadable: true,
  }),
  shutdownTimeout: option({
    flag: 'shutdown-timeout',
    key: 'shutdown-timeout',
    kind: integer(-1, 86_400),
    default: 15,
    help: 'Seconds to wait at shutdown for requests under way; -1 for ever',
    reloadable: true,
  }),
  liveRestore: option({
    flag: 'live-restore',
    key: 'live-restore',
    kind: boolean(onlyTrue('containers always outlive the daemon, live-restore cannot be turned off')),
    default: true,
    help: 'Keep containers running while the daemon is away (always on)',
  }),
  // --- TLS
  tls: option({
    flag: 'tls',
    key: 'tls',
    kind: boolean(),
    default: false,
    help: 'Use TLS on tcp:// addresses; implied by --tlsverify',
  }),
  tlsVerify: option({
    flag: 'tlsverify',
    key: 'tlsverify',
    kind: boolean(),
    default: false,
    help: 'Use TLS and require a client certificate of the CA',
  }),
  tlsCaCertificate: option({
    flag: 'tlscacert',
    key: 'tlscacert',
    kind: text('path', syntax.absolutePath),
    default: '/etc/gantry/ca.pem',
    help: 'Certificate authority of clients',
  }),
  tlsCertificate: option({
    flag: 'tlscert',
    key: 'tlscert',
    kind: text('path', syntax.absolutePath),
    default: '/etc/gantry/cert.pem',
    help: "The daemon's certificate",
  }),
  tlsKey: option({
    flag: 'tlskey',
    key: 'tlskey',
    kind: text('path', syntax.absolutePath),
    default: '/etc/gantry/key.pem',
    help: "The daemon's private key",
  }),
  // --- what containers get when they do not ask
  cgroupParent: option({
    flag: 'cgroup-parent',
    key: 'cgroup-parent',
    kind: text('path', syntax.cgroupPath),
    default: '/gantry',
    help: 'Cgroup that the cgroups of containers are created in',
  }),
  cgroupFavorDynMods: option({
    key: 'cgroup-favordynmods',
    kind: boolean(),
    default: true,
    help: 'On hosts with cgroup v1 controllers, have the kernel move processes without an RCU grace period',
  }),
  defaultCgroupnsMode: option({
    flag: 'default-cgroupns-mode',
    key: 'default-cgroupns-mode',
    kind: word(
      ['', 'host', 'private'],
      (given) => `invalid default cgroup namespace (${given}): use "host" or "private"`,
    ),
    default: '',
    derived: 'private on cgroup v2, host on v1',
    help: 'Cgroup namespace of containers',
  }),
  defaultIpcMode: option({
    flag: 'default-ipc-mode',
    key: 'default-ipc-mode',
    kind: word(
      ['private', 'shareable'],
      (given) => `default IPC mode setting (${given}) is invalid; use "shareable" or "private"`,
    ),
    default: 'private',
    help: 'IPC mode of containers',
  }),
  defaultShmSize: option({
    flag: 'default-shm-size',
    key: 'default-shm-size',
    kind: bytes(syntax.byteSize),
    default: 64 * 1024 ** 2,
    help: 'Size of /dev/shm',
  }),
  maxLayerSize: option({
    flag: 'max-layer-size',
    key: 'max-layer-size',
    kind: bytes(syntax.byteSize),
    default: 64 * 1024 ** 3,
    help: 'Bytes that one layer of an image may have, compressed or not (against archive bombs)',
  }),
  defaultUlimits: option({
    flag: 'default-ulimit',
    key: 'default-ulimits',
    kind: ulimits,
    default: {},
    help: 'Resource limit, name=soft[:hard]; may be repeated',
    mergeable: true,
  }),
  defaultRuntime: option({
    flag: 'default-runtime',
    key: 'default-runtime',
    kind: text(),
    default: syntax.BUILT_IN_RUNTIME,
    help: 'OCI runtime of containers that name none',
    reloadable: true,
  }),
  runtimes: option({
    flag: 'add-runtime',
    key: 'runtimes',
    kind: runtimes,
    default: {},
    help: 'Further OCI runtime, name=path; may be repeated',
    reloadable: true,
    mergeable: true,
  }),
  execOpts: option({
    flag: 'exec-opt',
    key: 'exec-opts',
    kind: list('option', syntax.executionOption),
    default: [],
    help: 'Only native.cgroupdriver=cgroupfs, which is how Gantry works',
  }),
  init: option({
    flag: 'init',
    key: 'init',
    kind: boolean(),
    default: false,
    help: 'Run an init process in containers that forwards signals and reaps',
  }),
  initPath: option({
    flag: 'init-path',
    key: 'init-path',
    kind: text('path', syntax.absolutePath),
    default: '/usr/bin/tini-static',
    help: 'The init process; statically linked',
  }),
  seccompProfile: option({
    flag: 'seccomp-profile',
    key: 'seccomp-profile',
    kind: text('path', syntax.seccompProfile),
    default: 'builtin',
    help: 'Seccomp profile: "builtin", "unconfined" or a file',
  }),
  noNewPrivileges: option({
    flag: 'no-new-privileges',
    key: 'no-new-privileges',
    kind: boolean(),
    default: false,
    help: 'Set no-new-privileges on containers',
  }),
  usernsRemap: option({
    flag: 'userns-remap',
    key: 'userns-remap',
    kind: text('user[:group]', syntax.remappedUser),
    default: '',
    help: 'User whose subordinate ids containers get: "default" or user[:group]',
  }),
  logDriver: option({
    flag: 'log-driver',
    key: 'log-driver',
    kind: word(['json-file', 'none'], (given) => `logging driver '${given}' is not supported, json-file and none are`),
    default: 'json-file',
    help: 'Logging driver of containers',
  }),
  logOpts: option({
    flag: 'log-opt',
    key: 'log-opts',
    kind: textMap('key=value'),
    default: {},
    help: 'Option of the logging driver (max-size, max-file); may be repeated',
  }),
  storageDriver: option({
    flag: 'storage-driver',
    short: 's',
    key: 'storage-driver',
    kind: word(
      ['overlay2', 'overlayfs'],
      (given) => `storage driver '${given}' is not supported, Gantry uses overlayfs ("overlay2")`,
    ),
    default: 'overlay2',
    help: 'Storage driver; both names mean overlayfs',
  }),
  // --- networks
  bridge: option({
    flag: 'bridge',
    short: 'b',
    key: 'bridge',
    kind: text('name', syntax.interfaceName),
    default: 'gantry0',
    help: 'Bridge of the default network, created if absent; "none" for no default network',
  }),
  bip: option({
    flag: 'bip',
    key: 'bip',
    kind: text('address', syntax.bridgeAddress),
    default: '',
    derived: 'a free subnet',
    help: "The default bridge's address, with prefix",
  }),
  mtu: option({
    flag: 'mtu',
    key: 'mtu',
    kind: integer(68, 65_535),
    default: 1500,
    help: 'MTU of the default network',
  }),
  iptables: option({
    flag: 'iptables',
    key: 'iptables',
    kind: boolean(),
    default: true,
    help: "Manage firewall rules (in an nftables table; the flag has dockerd's name)",
  }),
  nftablesTable: option({
    key: 'nftables-table',
    kind: text('name', syntax.nftablesTableName),
    default: '',
    derived: '"gantry", or from a bridge of another name',
    help: 'Name of the nftables table that everything of ours is in',
  }),
  ipForward: option({
    flag: 'ip-forward',
    key: 'ip-forward',
    kind: boolean(),
    default: true,
    help: 'Enable net.ipv4.ip_forward',
  }),
  ipMasquerade: option({
    flag: 'ip-masq',
    key: 'ip-masq',
    kind: boolean(),
    default: true,
    help: 'Masquerade what leaves the default network',
  }),
  userlandProxy: option({
    flag: 'userland-proxy',
    key: 'userland-proxy',
    kind: boolean(),
    default: true,
    help: "A container's supervisor serves its published ports on the loopback (there is no proxy process)",
  }),
  portForwarding: option<'auto' | 'netfilter' | 'shim'>({
    key: 'port-forwarding',
    kind: word(['auto', 'netfilter', 'shim']),
    default: 'auto',
    help: 'Who carries published ports: with "shim" they pass the INPUT chain of the host, so that ufw and the like apply',
  }),
  ip: option({
    flag: 'ip',
    key: 'ip',
    kind: text('address', syntax.ipv4Address),
    default: '0.0.0.0',
    help: 'Address that ports of the default network are published on if the container names none',
  }),
  allowDirectRouting: option({
    flag: 'allow-direct-routing',
    key: 'allow-direct-routing',
    kind: boolean(),
    default: false,
    help: "Let other hosts reach published ports at the containers' own addresses",
  }),
  interContainer: option({
    flag: 'icc',
    key: 'icc',
    kind: boolean(),
    default: true,
    help: 'Containers of the default network reach each other',
  }),
  ipv6: option({
    flag: 'ipv6',
    key: 'ipv6',
    kind: boolean(),
    default: false,
    help: 'IPv6 in the default network',
  }),
  bip6: option({
    flag: 'bip6',
    key: 'bip6',
    kind: text('address', syntax.bridgeAddressIPv6),
    default: '',
    derived: 'a free subnet',
    help: "The default bridge's IPv6 address, with prefix",
  }),
  fixedCidr: option({
    flag: 'fixed-cidr',
    key: 'fixed-cidr',
    kind: text('subnet', syntax.subnet(4)),
    default: '',
    help: 'Part of the subnet that containers of the default network get addresses from',
  }),
  fixedCidrIPv6: option({
    flag: 'fixed-cidr-v6',
    key: 'fixed-cidr-v6',
    kind: text('subnet', syntax.subnet(6)),
    default: '',
    help: 'The same for IPv6',
  }),
  defaultGateway: option({
    flag: 'default-gateway',
    key: 'default-gateway',
    kind: text('address', syntax.optionalAddress(4)),
    default: '',
    derived: 'the bridge',
    help: 'Gateway of the default network',
  }),
  defaultGatewayIPv6: option({
    flag: 'default-gateway-v6',
    key: 'default-gateway-v6',
    kind: text('address', syntax.optionalAddress(6)),
    default: '',
    derived: 'the bridge',
    help: 'IPv6 gateway of the default network',
  }),
  defaultAddressPools: option({
    flag: 'default-address-pool',
    key: 'default-address-pools',
    kind: addressPools,
    default: [],
    derived: "Docker's",
    help: 'Where networks without a subnet get theirs, base=10.10.0.0/16,size=24; may be repeated',
  }),
  defaultNetworkOpts: option({
    flag: 'default-network-opt',
    key: 'default-network-opts',
    kind: networkDefaults,
    default: {},
    help: 'Option of new networks of a driver, bridge=com.docker.network.driver.mtu=1400; may be repeated',
  }),
  hostGatewayIps: option({
    flag: 'host-gateway-ip',
    key: 'host-gateway-ips',
    kind: list('address', syntax.ipAddress),
    default: [],
    derived: 'the default bridge',
    help: 'What host-gateway in --add-host stands for; may be repeated, one of each family',
  }),
  ip6tables: option({
    flag: 'ip6tables',
    key: 'ip6tables',
    kind: boolean(),
    default: true,
    help: 'Manage firewall rules for IPv6',
  }),
  dns: option({
    flag: 'dns',
    key: 'dns',
    kind: list('address', syntax.ipAddress),
    default: [],
    help: 'DNS server of containers; may be repeated',
  }),
  dnsOptions: option({
    flag: 'dns-opt',
    key: 'dns-opts',
    kind: list('option', syntax.resolverOption),
    default: [],
    help: 'Resolver option of containers; may be repeated',
  }),
  dnsSearch: option({
    flag: 'dns-search',
    key: 'dns-search',
    kind: list('domain', syntax.domain),
    default: [],
    help: 'Search domain of containers; may be repeated',
  }),
  // --- registries
  registryMirrors: option({
    flag: 'registry-mirror',
    key: 'registry-mirrors',
    kind: list('URL', syntax.registryMirror),
    default: [],
    help: 'Mirror of Docker Hub to pull from first, http(s)://host[:port]; may be repeated',
    reloadable: true,
  }),
  insecureRegistries: option({
    flag: 'insecure-registry',
    key: 'insecure-registries',
    kind: list('registry', syntax.insecureRegistry),
    default: [],
    help: 'Registry, host[:port] or CIDR, used without a valid certificate or over HTTP; may be repeated',
    reloadable: true,
  }),
  maxConcurrentDownloads: option({
    flag: 'max-concurrent-downloads',
    key: 'max-concurrent-downloads',
    kind: integer(1, 1000),
    default: 3,
    help: 'Layers downloaded at once',
    reloadable: true,
  }),
  maxConcurrentUploads: option({
    flag: 'max-concurrent-uploads',
    key: 'max-concurrent-uploads',
    kind: integer(1, 1000),
    default: 5,
    help: 'Layers uploaded at once',
    reloadable: true,
  }),
  maxDownloadAttempts: option({
    flag: 'max-download-attempts',
    key: 'max-download-attempts',
    kind: integer(1, 1000),
    default: 5,
    help: 'Attempts for each layer before a pull fails',
    reloadable: true,
  }),
  httpProxy: option({
    flag: 'http-proxy',
    key: 'http-proxy',
    kind: text('URL', syntax.proxyUrl),
    default: '',
    derived: '$HTTP_PROXY',
    help: 'Proxy for plain HTTP to registries',
  }),
  httpsProxy: option({
    flag: 'https-proxy',
    key: 'https-proxy',
    kind: text('URL', syntax.proxyUrl),
    default: '',
    derived: '$HTTPS_PROXY',
    help: 'Proxy for HTTPS to registries',
  }),
  noProxy: option({
    flag: 'no-proxy',
    key: 'no-proxy',
    kind: text('hosts'),
    default: '',
    derived: '$NO_PROXY',
    help: 'Hosts, domains and CIDRs that are reached without a proxy, separated by commas',
  }),
  proxies: option({
    key: 'proxies',
    kind: map<string>('proxy', {
      fromFlag: () => {
        throw new Error('only daemon.json has this');
      },
      fromFile: syntax.proxyEntry,
      show: (value) => value,
    }),
    default: {},
    help: 'The three above under one key, as dockerd has them: http-proxy, https-proxy, no-proxy',
  }),
};

export type OptionName = keyof typeof options;
/** The value of every option, after flags, file and defaults. */
export type Config = { [Name in OptionName]: (typeof options)[Name] extends Option<infer T> ? T : never };
/** What was given explicitly in one place. */
export type GivenValues = Partial<Record<OptionName, unknown>>;

/** The table without the types of its values, for code that walks over all of it. */
export const everyOption = Object.entries(options) as [OptionName, Option<unknown>][];
