/**
 * The contract of the native addon (addon/src/node). Everything that may block runs on a worker thread and returns a
 * promise; the rest is a few system calls. Every failure is an Error with `operation`, `errno` and `code` ("ENOENT").
 */
export interface NativeError extends Error {
  operation: string;
  errno: number;
  code: string;
}

/** What is attached inside an overlay root, in the order given. */
export interface OverlayBind {
  source: string;
  target: string;
  readonly: boolean;
  /** What of the source; resolved inside of it. */
  subpath?: string;
  /** The layers of an image, topmost first, in place of what lies at `source`. */
  layers?: string[];
  /** How the ids of its files are shown. */
  shown?: IdMaps;
}

/** Where a file operation takes place. Paths given to it are resolved by the kernel inside this root. */
export type Root =
  | { kind: 'directory'; path: string }
  /** The root of a running process, with everything mounted there. */
  | { kind: 'process'; pid: number }
  /** A stopped container: an overlay, with its volumes attached, in a mount namespace that ends with the operation. */
  | {
      kind: 'overlay';
      lower: string[];
      upper?: string;
      work?: string;
      binds: OverlayBind[];
      /** Of the mount points that are made for `binds`, as it is on the disk; by default root. */
      owner?: { uid: number; gid: number };
      /** Shows an id `containerId` of the layers' files as `hostId`. */
      shown?: IdMaps;
    };

/** Shifts ids on the way in or out, for user namespaces: host id = containerId - from + to. */
export interface IdMap {
  containerId: number;
  hostId: number;
  size: number;
}

export interface IdMaps {
  uid: IdMap[];
  gid: IdMap[];
}

export interface PathStat {
  name: string;
  size: number;
  /** Go's os.FileMode bits, as the Docker API's X-Docker-Container-Path-Stat carries them. */
  mode: number;
  /** As they are on the disk. */
  uid: number;
  gid: number;
  mtime: string;
  linkTarget: string;
  /** The path inside the root with every link in it resolved, except one as the last component. */
  resolvedPath: string;
}

export interface UnpackOptions {
  /** Refuse to replace a directory by a file or the other way round (docker cp). */
  noOverwriteDirNonDir?: boolean;
  /** Keep the uid and gid of the archive; otherwise entries belong to `owner`. */
  owner?: { uid: number; gid: number };
  /** Turn `.wh.` entries into overlayfs whiteouts and opaque markers (image layers). */
  whiteouts?: boolean;
  /** Give the directory itself what the archive's entry "." says; `whiteouts` does so, too. */
  topAttributes?: boolean;
  idMap?: IdMaps;
  /** Give up beyond this many bytes of content (archive bombs). */
  maxBytes?: number;
  /** Give up beyond this many entries. */
  maxEntries?: number;
  /** Counts what is read of the archive, compressed as it is. */
  consumed?: ByteCounter;
}

/** How far native code has come in a stream: see `countedBytes`. */
export interface ByteCounter {
  readonly kind: unique symbol;
}

export interface BlobOptions {
  /** Where a blob that is a layer is unpacked while it arrives; made by the call, and only for a layer. */
  layerDirectory?: string;
  /** Give up beyond this many bytes, of the blob or of what it holds uncompressed. */
  maxBytes?: number;
  /** Give up unpacking beyond this many entries. */
  maxEntries?: number;
  idMap?: IdMaps;
  /** Counts what was stored of the blob, and unpacked. */
  consumed?: ByteCounter;
}

/** What became known of a blob while it was written. */
export interface ReceivedBlob {
  digest: string;
  size: number;
  compression: 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';
  /** Digest of the uncompressed bytes; "" when they were not looked at (bzip2, xz). */
  diffId: string;
  /** The first 512 bytes. */
  start: Uint8Array;
  /** There if it is a layer (gzip, zstd, or a tar archive) that could be unpacked. */
  layer?: { bytes: number; entries: number };
  /** There if it looked like a layer and could not be unpacked. */
  layerError?: NativeError;
}

/** An image archive that is being read. One call at a time. */
export interface ImageArchive {
  readonly kind: unique symbol;
}

/** A member of an image archive. */
export interface ArchiveMember {
  name: string;
  /** "file", "directory", "link", "symlink", or another in words. */
  type: string;
  /** Where a link leads. */
  link: string;
  size: number;
}

export interface PackOptions {
  /** Name of the top entry in the archive; default the last component of `path`. "" or "." gives names relative to it. */
  as?: string;
  /** Turn overlayfs whiteouts of an upper directory into `.wh.` entries (commit). */
  whiteouts?: boolean;
  idMap?: IdMaps;
  /** Paths below `path` left out (mount points of a container on commit and export). */
  exclude?: string[];
}

export interface TreeDigestOptions {
  /** Patterns of what is left out, relative to each path, as in .dockerignore. */
  exclude?: readonly string[];
  /** Counts in place of the files' own. */
  owner?: { uid: number; gid: number } | undefined;
}

/** One source of a copy. A file goes into `to` where that is a directory or ends with a slash; a directory's content always. */
export interface CopyItem {
  from: string;
  to: string;
}

export interface CopyOptions {
  exclude?: readonly string[];
  /** Of everything that is copied, in place of its own. */
  owner?: { uid: number; gid: number } | undefined;
  /** Of directories that are made on the way; root as it is on the disk. */
  defaultOwner: { uid: number; gid: number };
  /** Octal, or as chmod(1) has it. */
  mode?: string | undefined;
  /** A file that is an archive is unpacked instead. */
  unpackArchives?: boolean;
  /** Of everything in archives, in place of their own ids, which are shifted. */
  archiveOwner?: { uid: number; gid: number } | undefined;
  idMap?: IdMaps;
  /** The source is a layer: what it hides in those below is removed in the destination. */
  applyWhiteouts?: boolean;
  maxBytes?: number;
  maxEntries?: number;
}

/** 0 modified, 1 added, 2 deleted: Docker's ContainerChangeResponseItem. */
export interface Change {
  Path: string;
  Kind: 0 | 1 | 2;
}

export interface CgroupStats {
  cpu: {
    usageNanoseconds: number;
    userNanoseconds: number;
    systemNanoseconds: number;
    perCpuNanoseconds: number[];
    periods: number;
    throttledPeriods: number;
    throttledNanoseconds: number;
  };
  /** `limit` is at most the memory of the machine. `stats` is memory.stat of the version at hand, as Docker reports it. */
  memory: { usage: number; maxUsage: number; limit: number; failcnt: number; stats: Record<string, number> };
  /** `limit` is 0 where there is none. */
  pids: { current: number; limit: number };
  /** `op` as Docker names it: "Read", "Write", "Sync", … on v1, "read" and "write" on v2. */
  blkio: { major: number; minor: number; op: string; bytes: number; operations: number }[];
}

/** What a running container's limits can be changed to: the `linux.resources` part of the OCI spec. */
export type LinuxResources = Record<string, unknown>;

export interface EndpointRequest {
  kind: 'bridge' | 'macvlan' | 'ipvlan';
  /** Bridge to attach to, created by ensureBridge; or the interface whose link is shared. */
  parent: string;
  /** macvlan and ipvlan. */
  mode?: string;
  flag?: string;
  /** Bridge: name of the host's end. */
  hostInterface?: string;
  /** Name inside, "eth0". */
  containerInterface: string;
  /** "" for one that the kernel draws. */
  macAddress: string;
  /** 0 for the kernel's choice. */
  mtu: number;
  /** In prefix notation, "172.18.0.2/16". */
  addresses: string[];
  /** Bridge: this port exchanges frames with the host and not with other isolated ports. */
  isolated: boolean;
  /** Bridge: frames may leave by the port they came from. */
  hairpin: boolean;
  sysctls: { family: 'ipv4' | 'ipv6'; group: 'conf' | 'neigh'; name: string; value: string }[];
}

/** Without a gateway ("") everything is taken to be on the link. */
export interface DefaultRoute {
  family: 4 | 6;
  interface: string;
  gateway: string;
}

export interface InterfaceStats {
  name: string;
  rxBytes: number;
  rxPackets: number;
  rxErrors: number;
  rxDropped: number;
  txBytes: number;
  txPackets: number;
  txErrors: number;
  txDropped: number;
}

/**
 * Changes a tree of files that a client describes, one entry at a time. Paths are resolved by the kernel below the tree's
 * directory and lead through no symbolic link. Times are seconds and nanoseconds. Every call is a few system calls.
 */
export interface TreeWriter {
  makeDirectory(path: string, mode: number): void;
  writeFile(path: string, mode: number, seconds: number, nanoseconds: number, content: Uint8Array): void;
  /** A descriptor of a new file, to be written to, finished and closed. */
  createFile(path: string): number;
  finishFile(descriptor: number, mode: number, seconds: number, nanoseconds: number): void;
  makeSymbolicLink(path: string, target: string, seconds: number, nanoseconds: number): void;
  makeHardLink(path: string, target: string): void;
  /** A fifo or a device: `mode` has its type. */
  makeSpecial(
    path: string,
    mode: number,
    seconds: number,
    nanoseconds: number,
    deviceMajor: number,
    deviceMinor: number,
  ): void;
  /** Of what is no symbolic link. */
  setMetadata(path: string, mode: number, seconds: number, nanoseconds: number): void;
  /** With all that is below; absence is fine. */
  remove(path: string): void;
}

/** An element of one of our table's sets and maps; addon/src/network/firewall.cpp says what their fields hold. */
export interface FirewallElement {
  set: string;
  key: string[];
  value: string[];
}

/** A chain of anybody's nftables table. */
export interface NftablesChain {
  /** As nft names it: "ip", "inet". */
  family: string;
  table: string;
  name: string;
  /** A base chain on the way of forwarded packets. */
  forwards: boolean;
  /** What nobody accepts there is dropped. */
  drops: boolean;
}

export interface Addon {
  // --- shim
  /** Copies the executable into a sealed memfd. */
  loadShim(path: string): number;
  /**
   * Starts a shim with fd 3 connected to the returned control descriptor, which waits for its assignment. The child is in
   * a session of its own. Cheap in a large process: the address space is not copied.
   * @param shim what loadShim has returned
   * @param bundleLength bytes of its bundle's path, which the list of processes shows once it is assigned
   */
  spawnShim(shim: number, bundleLength: number): Promise<{ pid: number; control: number }>;
  /**
   * Tells a shim what it is for. It gets duplicates of the descriptors: `log` as 2, the namespaces as 4 and 5, and the
   * sockets from 6 on (-1 for none). Fails with EPIPE when the shim has ended.
   */
  assignShim(
    control: number,
    assignment: {
      bundle: string;
      log: string;
      networkNamespace?: number;
      userNamespace?: number;
      sockets: number[];
    },
  ): void;
  /** Reaps a shim that was spawned by this process, if it has ended; never blocks. @returns whether it did */
  reap(pid: number): boolean;
  closeDescriptor(fd: number): void;

  // --- host
  hostInfo(): {
    cgroupVersion: 1 | 2;
    /** Controllers that can be used, on either version. */
    controllers: string[];
    cpus: number;
    memoryBytes: number;
    swapAccounting: boolean;
    seccomp: boolean;
    apparmor: boolean;
  };
  /** File descriptors passed by systemd (LISTEN_FDS), already marked close-on-exec. */
  listenDescriptors(): number[];
  /** See docs/architecture.md, "cgroups". Returns a descriptor to hold, or -1 where it is not needed or not possible. */
  holdFavorDynMods(): number;

  // --- cgroups. `path` is relative to the hierarchy, "/gantry/<id>".
  cgroupFreeze(path: string): Promise<void>;
  cgroupThaw(path: string): Promise<void>;
  cgroupUpdate(path: string, resources: LinuxResources): Promise<void>;
  cgroupStats(path: string): Promise<CgroupStats>;
  cgroupProcesses(path: string): Promise<number[]>;
  /** Kills what is inside, then removes the directories; absent ones are fine. */
  cgroupRemove(path: string): Promise<void>;
  /** Names of the children of a cgroup in any hierarchy: what a garbage collection at start has to look at. */
  cgroupChildren(path: string): Promise<string[]>;

  // --- seccomp
  /** Compiles Docker's JSON profile for these capabilities (its includes and excludes) to a BPF program for `path`. */
  compileSeccomp(profile: string, capabilities: string[], path: string): Promise<void>;

  // --- networks
  /** Creates the bridge if it is absent, sets addresses and mtu, brings it up. Idempotent. */
  ensureBridge(options: { name: string; addresses: string[]; mtu: number }): Promise<void>;
  deleteLink(name: string): Promise<void>;
  linkExists(name: string): boolean;
  /** Creates what macvlan and ipvlan networks stand on if it is absent; tells whether it did. */
  ensureParentLink(options: { name: string; kind: 'vlan' | 'dummy'; parent: string; vlan: number }): Promise<boolean>;
  /**
   * A new network namespace with its loopback up, as a descriptor.
   * @param owner maps of a new user namespace that it is to belong to, or a process in whose one it is to be
   */
  createNetworkNamespace(owner?: IdMaps | { pid: number }): Promise<number>;
  /** A descriptor of the user namespace that a network namespace belongs to. */
  userNamespaceOf(networkNamespace: number): number;
  /** Adds interfaces to the namespace of this path and replaces its default routes. Undoes itself on failure. */
  connectNamespace(path: string, endpoints: EndpointRequest[], routes: DefaultRoute[]): Promise<void>;
  /** Removes an interface, absence is fine, and replaces the default routes. */
  disconnectNamespace(path: string, containerInterface: string, routes: DefaultRoute[]): Promise<void>;
  /**
   * Binds a socket to a port of the host (0 for any that is free); streams listen. The descriptor is -1 where the kernel
   * has no sockets of the protocol. @throws NativeError EADDRINUSE, EAFNOSUPPORT
   */
  bindPort(protocol: string, address: string, port: number): { descriptor: number; port: number };
  /** Makes the kernel forget UDP flows that one of these addresses answers. */
  forgetUdpFlows(addresses: string[]): Promise<void>;
  interfaceStats(pid: number): Promise<InterfaceStats[]>;
  /** Makes our nftables table, `inet <name>`, with these elements, in place of one that is there. */
  installFirewall(table: string, elements: FirewallElement[]): Promise<void>;
  /** Elements of our table in place of others, at one instant. What is removed may be absent. */
  changeFirewall(table: string, removed: FirewallElement[], added: FirewallElement[]): Promise<void>;
  /** Absence is fine. */
  removeFirewall(table: string): Promise<void>;
  /** All chains of nftables, of all families. Of what others keep there, only what this says is read. */
  listChains(): Promise<NftablesChain[]>;
  /** Has a chain of iptables begin with a rule that lets through what our table has accepted, unless it has one. */
  ensureAdmitted(chain: NftablesChain, comment: string): Promise<void>;
  /** Takes such rules with this comment out of a chain. */
  withdrawAdmission(chain: NftablesChain, comment: string): Promise<void>;

  // --- volumes
  /**
   * Mounts on the directory `target`: the host's directory `device` when `options` has "bind" or "rbind", otherwise a file
   * system of this type.
   */
  mountVolume(type: string, device: string, options: string[], target: string): Promise<void>;
  /** Takes off all that is mounted there; nothing there is fine. */
  unmountVolume(path: string): Promise<void>;
  isMountPoint(path: string): boolean;
  /** What `subpath` leads to inside of the directory `path`; ENOENT, or EXDEV where it would lead out. */
  lookBeneath(path: string, subpath: string): Promise<'empty' | 'directory' | 'other'>;

  // --- files
  statPath(root: Root, path: string): Promise<PathStat>;
  /** Reads a small file; refuses more than `maxBytes`. */
  readFile(root: Root, path: string, maxBytes: number): Promise<Buffer>;
  /** Writes a tar stream of `path` to `output`, which it closes. Rejects with EPIPE when the reader goes away. */
  pack(root: Root, path: string, output: number, options: PackOptions): Promise<void>;
  newByteCounter(): ByteCounter;
  countedBytes(counter: ByteCounter): number;
  /** Reads a tar stream (plain, gzip, bzip2, xz, zstd) from `input`, which it closes, into `path`. */
  unpack(root: Root, path: string, input: number, options: UnpackOptions): Promise<{ bytes: number; entries: number }>;
  /**
   * Stores what comes from `input`, which it closes, in a new file, with its digests. Writing, hashing and decompressing
   * go on in one thread, unpacking in a second.
   */
  receiveBlob(input: number, path: string, options: BlobOptions): Promise<ReceivedBlob>;
  /** Begins to read an image archive (plain, gzip, bzip2, xz, zstd) from `input`, which is the archive's from then on. */
  openImageArchive(input: number): ImageArchive;
  /** To be called when no call is under way; closes the input. */
  closeImageArchive(archive: ImageArchive): void;
  /** Goes to the next member, over what is left of this one; nothing at the end. */
  nextMember(archive: ImageArchive): Promise<ArchiveMember | undefined>;
  /** The whole content of a small member; refuses more than `maxBytes`. */
  readMember(archive: ImageArchive, maxBytes: number): Promise<Buffer>;
  /** As receiveBlob, from the content of this member. */
  receiveMember(archive: ImageArchive, path: string, options: BlobOptions): Promise<ReceivedBlob>;
  /** What the upper directory of an overlay changes in its lower ones. */
  changes(lower: string[], upper: string, exclude?: string[]): Promise<Change[]>;
  /** Fills `upper` with what every container of an image finds above its layers; `work` is used up. */
  makeInitLayer(lower: string[], upper: string, work: string): Promise<void>;
  /** The paths of a root that each pattern matches (`*`, `?`, `[…]`, `**`), sorted, without a leading slash. */
  findPaths(root: Root, patterns: readonly string[]): Promise<string[][]>;
  /**
   * "sha256:…" over everything that a copy of these paths would show: names, types, modes, owners, attributes, link targets
   * and contents, but not times.
   */
  treeDigest(root: Root, paths: readonly string[], options: TreeDigestOptions): Promise<string>;
  /** Copies files and trees from one root into another. */
  copyTrees(
    source: Root,
    destination: Root,
    items: readonly CopyItem[],
    options: CopyOptions,
  ): Promise<{ bytes: number; entries: number }>;
  /** Makes a directory and those above it that are not there. */
  makeDirectory(root: Root, path: string, owner: { uid: number; gid: number }): Promise<void>;
  /** Removes what patterns as those of .dockerignore leave out of a directory that nobody else writes to. */
  removeMatching(directory: string, patterns: readonly string[]): Promise<void>;
  /** Sets times below a directory that are later than `seconds` since the epoch to that. */
  clampTimes(directory: string, seconds: number): Promise<void>;
  /** Bytes of the files and links below a directory, each inode once, mounts left out; 0 for one that has been removed. */
  diskUsage(path: string): Promise<number>;
  /** Returns when everything written to the file system of `path` so far is on the disk. */
  syncFileSystem(path: string): Promise<void>;
  /** @param uid with `gid` the owner of everything that is made */
  openTree(directory: string, uid: number, gid: number): TreeWriter;
  /** Removes a tree without following links or crossing mounts; absence is fine. */
  removeTree(path: string): Promise<void>;
  /** Tells ext4 to keep apart what lies in the directories that are made in this one. Elsewhere it does nothing. */
  spreadSubdirectories(path: string): void;
  /** A pipe whose ends are close-on-exec: [read, write]. */
  pipe(): [number, number];
}
