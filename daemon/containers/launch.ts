import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { conflict, invalid } from '../errors.js';
import type { Attachment, Endpoints, NamespaceOwner } from '../networks/endpoints.js';
import type { Addon } from '../runtime/addon.js';
import { IdMapping } from '../userns/id-mapping.js';
import type { ShimClient } from '../runtime/shim-client.js';
import type { Shims, SpawnedShim } from '../runtime/shims.js';
import { connectPending } from './attach.js';
import { checkPropagation } from './bind-propagation.js';
import { makeBindSource } from './bind-source.js';
import type { Container } from './container.js';
import type { ContainerVolumes } from './container-volumes.js';
import type { ContainerDirectories } from './directories.js';
import { etcFiles, networkOwner, writeEtcFiles } from './etc-files.js';
import type { NameResolution } from './name-resolution.js';
import type { Links } from './links.js';
import type { ContainerRegistry } from './registry.js';
import { joinedUserNamespace } from './user-namespace.js';
import type { ImageLayers } from './volume-copy-up.js';
import { SeccompFilters } from './seccomp-filters.js';
import { containerCapabilities } from './spec/capabilities.js';
import { containerSpec } from './spec/index.js';
import type { EtcFiles } from './spec/mounts.js';
import type { JoinedNamespaces } from './spec/namespaces.js';
import type { OciSpec } from './spec/oci.js';
import { parseSize } from './host-config.js';
import { UndoStack } from './undo.js';

export interface OciRuntime {
  path: string;
  args: string[];
}

export interface LaunchOptions {
  cgroupParent: string;
  initPath: string;
  initByDefault: boolean;
  defaultUlimits: { Name: string; Hard: number; Soft: number }[];
  /** Other OCI runtimes by name; Gantry's own is not among them. */
  runtimes: ReadonlyMap<string, OciRuntime>;
  /**
   * The containers are of no use without this daemon: they end with it, and what they have written need not reach the disk
   * before.
   */
  ephemeral?: boolean;
}

export interface ContainerLayers extends ImageLayers {
  /** Those of the image, and what every container gets. */
  containerLayers(imageId: string): string[];
}

export interface Launched {
  client: ShimClient;
  /** Resolves when the shim has ended, and with it everything of this run. */
  ended: Promise<void>;
  shimPid: number;
  pid: number;
  startedAt: string;
}

/** Brings a container's first process to life: the way from a record to a running shim. */
export class Launcher {
  constructor(
    readonly addon: Addon,
    readonly shims: Shims,
    readonly registry: ContainerRegistry,
    readonly directories: ContainerDirectories,
    readonly endpoints: Endpoints,
    readonly images: ContainerLayers,
    readonly volumes: ContainerVolumes,
    readonly seccomp: SeccompFilters,
    readonly names: NameResolution,
    readonly links: Links,
    readonly options: LaunchOptions,
    readonly logger: FastifyBaseLogger,
  ) {}

  cgroupPath(container: Container): string {
    return join('/', container.hostConfig.CgroupParent || this.options.cgroupParent, container.id);
  }

  /** Starts the container; on failure nothing of the attempt remains. */
  async launch(container: Container): Promise<Launched> {
    const undo = new UndoStack();
    try {
      return await this.#launch(container, undo);
    } catch (error) {
      await undo.rollBack(this.logger);
      this.prepare();
      throw error;
    }
  }

  /** Gets ready what every start needs, once what is under way has had its turn. */
  prepare(): void {
    this.shims.prepare();
    this.endpoints.prepare();
  }

  async #launch(container: Container, undo: UndoStack): Promise<Launched> {
    this.links.check(container);
    this.#prepareSources(container);
    await this.volumes.prepare(container, undo);
    const joined = this.#joinedUserNamespace(container);
    this.#createBundle(container, undo);
    const attachment = await this.#prepareNetwork(container, joined, undo);
    // The bundle is written while the network is made and the shim prepares what it can.
    const starting = this.#startShim(container, attachment, undo);
    const writing = Promise.resolve().then(() => this.#writeBundle(container, attachment, joined));
    // Nothing is undone while the other is still at work.
    await Promise.allSettled([starting, writing, attachment?.connected]);
    await writing;
    const { pid: shimPid, client, ended } = await starting;
    await attachment?.connected;
    attachment?.announce();
    this.links.announce(container);
    await attachment?.ready;
    const running = this.#run(container, client);
    // While the shim is at work there is time for it.
    this.prepare();
    const { pid, startedAt } = await running;
    return { client, ended, shimPid, pid, startedAt };
  }

  /**
   * Gives the container its shim, which keeps copies of the descriptors: those here are closed. The shim makes what takes
   * no more than shim.json to know while the rest is written.
   */
  async #startShim(container: Container, attachment: Attachment | undefined, undo: UndoStack): Promise<SpawnedShim> {
    const descriptors = attachment ? [attachment.namespace, ...attachment.sockets.filter((each) => each >= 0)] : [];
    try {
      await this.#writeShimConfig(container, attachment);
      const network = attachment?.namespace;
      const user =
        network !== undefined && this.#isRemapped(container) ? this.addon.userNamespaceOf(network) : undefined;
      if (user !== undefined) descriptors.push(user);
      const namespaces = { ...(network !== undefined && { network }), ...(user !== undefined && { user }) };
      const shim = await this.shims.assign(this.directories.bundle(container.id), namespaces, attachment?.sockets);
      undo.push(async () => {
        shim.client.close();
        await shim.ended;
      });
      return shim;
    } finally {
      await attachment?.connected.catch(() => undefined);
      for (const descriptor of descriptors) this.addon.closeDescriptor(descriptor);
    }
  }

  /** Streams that wait for the start are connected while init waits for its execve, so that they miss nothing. */
  async #run(container: Container, client: ShimClient): Promise<{ pid: number; startedAt: string }> {
    if (container.pendingAttachments.size === 0) return client.run();
    await client.create();
    container.shim = client;
    try {
      await connectPending(container);
      return await client.start();
    } catch (error) {
      container.shim = undefined;
      throw error;
    }
  }

  /** `-v` creates what it binds; `--mount` insists that it exists. */
  #prepareSources(container: Container): void {
    for (const { type, source, createSource } of container.mounts) {
      if (type !== 'bind' || existsSync(source)) continue;
      if (!createSource) {
        throw invalid(`invalid mount config for type "bind": bind source path does not exist: ${source}`);
      }
      makeBindSource(source, container.hasHostIds ? IdMapping.identity.root : this.directories.mapping.root);
    }
    checkPropagation(container.mounts);
  }

  /** Whether the container is in a user namespace. */
  #isRemapped(container: Container): boolean {
    return this.directories.mapping.shifts && !container.hasHostIds;
  }

  /** The process whose user namespace the container enters instead of having one of its own. */
  #joinedUserNamespace(container: Container): number | undefined {
    if (!this.#isRemapped(container)) return undefined;
    const { PidMode, IpcMode, NetworkMode } = container.hostConfig;
    const modes = [PidMode, IpcMode, NetworkMode].filter((mode) => mode?.startsWith('container:'));
    return joinedUserNamespace(modes.map((mode) => this.registry.get(mode!.slice('container:'.length))));
  }

  async #prepareNetwork(
    container: Container,
    joined: number | undefined,
    undo: UndoStack,
  ): Promise<Attachment | undefined> {
    // The namespace is then the container's own, and empty.
    if (container.config.NetworkDisabled) return undefined;
    if (container.hostConfig.NetworkMode?.startsWith('container:')) return undefined;
    const { mapping } = this.directories;
    const owner: NamespaceOwner = joined === undefined ? mapping : { pid: joined };
    const attachment = await this.endpoints.attach(container, this.#isRemapped(container) ? owner : undefined);
    undo.push(() => this.endpoints.release(container));
    return attachment;
  }

  #spec(container: Container, namespaces: JoinedNamespaces): OciSpec {
    const { hostConfig } = container;
    const { mapping } = this.directories;
    const useInit = hostConfig.Init ?? this.options.initByDefault;
    const shmSource = this.#sharedMemory(hostConfig.IpcMode);
    return containerSpec(container, {
      rootPath: this.directories.bundle(container.id, 'rootfs'),
      cgroupPath: this.cgroupPath(container),
      namespaces,
      etc: this.#etcFiles(container),
      ...(useInit && { initPath: this.options.initPath }),
      ...(shmSource && { shmSource }),
      ...(namespaces.user !== undefined && { idMappings: mapping.oci }),
      ...(mapping.shifts && container.hasHostIds && { shownVolumes: mapping.inverse.oci }),
      defaultUlimits: this.options.defaultUlimits,
      linkEnvironment: this.links.environment(container),
      imageLayers: (imageId) => this.images.layerDirectories(imageId),
    });
  }

  /** Who joins another's network shares the files that describe it. */
  #etcFiles(container: Container): EtcFiles {
    const owner = networkOwner(container, (id) => this.registry.get(id));
    if (owner !== container) return etcFiles(owner, this.directories);
    return writeEtcFiles(container, this.directories, this.names.defaults, this.links.hosts(container));
  }

  /** What is on /dev/shm when it is not the container's own: the host's, or that of the container whose ipc it joins. */
  #sharedMemory(mode: string | undefined): string | undefined {
    const joined = this.#joined(mode, 'IPC');
    if (joined === undefined) return undefined;
    return joined === 'host' ? '/dev/shm' : `/proc/${joined}/root/dev/shm`;
  }

  #namespaces(container: Container, hasNetwork: boolean, joinedUser: number | undefined): JoinedNamespaces {
    const { PidMode, IpcMode, UTSMode, CgroupnsMode, NetworkMode } = container.hostConfig;
    const pid = this.#joined(PidMode, 'PID');
    const ipc = this.#joined(IpcMode, 'IPC');
    const network = container.config.NetworkDisabled ? undefined : this.#joined(NetworkMode, 'network');
    return {
      ...(pid !== undefined && { pid }),
      ...(ipc !== undefined && { ipc }),
      ...(UTSMode === 'host' && { uts: 'host' }),
      ...(CgroupnsMode === 'host' && { cgroup: 'host' }),
      ...(hasNetwork ? { network: { path: '/proc/self/fd/4' } } : network !== undefined && { network }),
      ...(this.#isRemapped(container) && { user: joinedUser ?? (hasNetwork ? { path: '/proc/self/fd/5' } : 'new') }),
    };
  }

  /** "host", or the init of the container that a mode "container:NAME" names. */
  #joined(mode: string | undefined, kind: string): 'host' | number | undefined {
    if (mode === 'host') return 'host';
    if (!mode?.startsWith('container:')) return undefined;
    const other = this.registry.get(mode.slice('container:'.length));
    if (!other.running) throw conflict(`cannot join ${kind} of a non running container: ${other.id}`);
    if (kind === 'IPC' && other.hostConfig.IpcMode === 'private') {
      throw conflict(
        `can't join IPC of container ${other.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
      );
    }
    return other.state.pid;
  }

  #createBundle(container: Container, undo: UndoStack): void {
    const { directories } = this;
    // The record of an earlier run must not be taken for that of this one.
    rmSync(directories.data(container.id, 'exit.json'), { force: true });
    directories.createBundle(container.id);
    undo.push(() => this.addon.removeTree(directories.bundle(container.id)));
    if (this.#otherRuntime(container) && this.#isRemapped(container)) directories.openBundle(container.id);
  }

  #otherRuntime({ hostConfig }: Container): OciRuntime | undefined {
    return this.options.runtimes.get(hostConfig.Runtime ?? '');
  }

  #writeBundle(container: Container, attachment: Attachment | undefined, joinedUser: number | undefined): void {
    const { directories } = this;
    const { hostConfig } = container;
    const spec = this.#spec(container, this.#namespaces(container, attachment !== undefined, joinedUser));
    if (this.#otherRuntime(container))
      spec.linux.seccomp = this.seccomp.ociProfile(hostConfig, spec.process.capabilities.bounding);
    writeFileSync(directories.bundle(container.id, 'config.json'), JSON.stringify(spec));
    if (attachment) this.names.prepare(container);
  }

  async #writeShimConfig(container: Container, attachment: Attachment | undefined): Promise<void> {
    const { directories } = this;
    const { hostConfig } = container;
    const runtime = this.#otherRuntime(container);
    const filter = await this.seccomp.filterFor(hostConfig, containerCapabilities(hostConfig));
    writeFileSync(
      directories.bundle(container.id, 'shim.json'),
      JSON.stringify({
        id: container.id,
        stateDirectory: directories.data(container.id),
        rootfs: {
          lower: this.images.containerLayers(container.imageId),
          upper: directories.data(container.id, 'upper'),
          work: directories.data(container.id, 'work'),
          ...(this.options.ephemeral && { volatile: true }),
          ...(directories.mapping.shifts && container.hasHostIds && { shown: directories.mapping.inverse.oci }),
        },
        cgroupPath: this.cgroupPath(container),
        ...(this.options.ephemeral && { bound: true }),
        log: logSettings(container, directories.log(container.id)),
        stdin: { open: container.config.OpenStdin ?? false, once: container.config.StdinOnce ?? false },
        ...(filter && { seccompFilter: filter }),
        ...(attachment && { ports: attachment.forwards }),
        ...(runtime && { runtime }),
      }),
    );
  }
}

function logSettings(
  container: Container,
  path: string,
): { driver: string; path: string; maxSize: number; maxFile: number } {
  const { Type = 'json-file', Config } = container.hostConfig.LogConfig ?? {};
  const options = Config ?? {};
  const local = Type === 'local';
  return {
    driver: Type === 'none' ? 'none' : 'json-file',
    path,
    maxSize: parseSize(options['max-size'] ?? (local ? '20m' : '-1')) ?? -1,
    maxFile: Number(options['max-file'] ?? (local ? 5 : 1)),
  };
}
