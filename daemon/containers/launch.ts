import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { conflict, invalid, notFound } from '../errors.js';
import type { Networks } from '../networks/networks.js';
import type { Addon, NativeError } from '../runtime/addon.js';
import type { ShimClient } from '../runtime/shim-client.js';
import type { Shims } from '../runtime/shims.js';
import { checkPropagation } from './bind-propagation.js';
import type { Container, ContainerMount } from './container.js';
import type { ContainerDirectories } from './directories.js';
import { etcFiles, type ResolverDefaults, writeEtcFiles } from './etc-files.js';
import type { ContainerRegistry } from './registry.js';
import { SeccompFilters } from './seccomp-filters.js';
import { containerSpec } from './spec/index.js';
import type { EtcFiles } from './spec/mounts.js';
import type { JoinedNamespaces } from './spec/namespaces.js';
import type { OciIdMapping, OciSpec } from './spec/oci.js';
import { parseSize } from './host-config.js';
import { UndoStack } from './undo.js';
import type { CopyUp, ImageLayers } from './volume-copy-up.js';

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
  resolver: ResolverDefaults;
  idMappings?: { uid: OciIdMapping[]; gid: OciIdMapping[] };
}

/** What a launch needs from the volumes. */
export interface MountableVolumes {
  /** Brings the volume to its directory, and tells of it. */
  mount(use: { name: string; destination: string; propagation: string; readWrite: boolean }, id: string): Promise<void>;
  unmount(name: string, id: string): Promise<void>;
  /** The container ran already when the daemon came up. */
  adopt(name: string, id: string): void;
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
    readonly networks: Networks,
    readonly images: ImageLayers,
    readonly volumes: MountableVolumes,
    readonly copyUp: CopyUp,
    readonly seccomp: SeccompFilters,
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
      throw error;
    }
  }

  async #launch(container: Container, undo: UndoStack): Promise<Launched> {
    this.#prepareSources(container);
    await this.copyUp.run(container);
    await this.#mountVolumes(container, undo);
    const namespace = await this.#prepareNetwork(container, undo);
    try {
      const spec = this.#spec(container, namespace);
      await this.#writeBundle(container, spec, undo);
      const { pid: shimPid, client, ended } = this.shims.spawn(this.directories.bundle(container.id), namespace);
      undo.push(() => client.close());
      const { pid, startedAt } = await this.#run(container, client);
      return { client, ended, shimPid, pid, startedAt };
    } finally {
      if (namespace !== undefined) this.addon.closeDescriptor(namespace);
    }
  }

  /** Streams that wait for the start are connected while init waits for its execve, so that they miss nothing. */
  async #run(container: Container, client: ShimClient): Promise<{ pid: number; startedAt: string }> {
    if (container.pendingAttachments.size === 0) return client.run();
    await client.create();
    container.shim = client;
    try {
      await Promise.all([...container.pendingAttachments].map((connect) => connect()));
      container.pendingAttachments.clear();
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
      createDirectory(source);
    }
    checkPropagation(container.mounts);
  }

  async #mountVolumes(container: Container, undo: UndoStack): Promise<void> {
    for (const mount of container.mounts) {
      if (mount.type === 'volume') {
        await this.volumes.mount(mount, container.id);
        undo.push(() => this.volumes.unmount(mount.name, container.id));
      }
      if (mount.subpath !== undefined) await this.#checkSubpath(mount, mount.subpath);
    }
  }

  /** Tells early, in Docker's words, what the shim would find. It is the shim that opens the path, in one step. */
  async #checkSubpath({ type, source, name }: ContainerMount, subpath: string): Promise<void> {
    try {
      if (type === 'volume') await this.addon.checkBeneath(source, subpath);
      else
        await this.addon.statPath({ kind: 'overlay', lower: this.images.layerDirectories(source), binds: [] }, subpath);
    } catch (error) {
      const { code, message } = error as NativeError;
      if (code === 'EXDEV') throw invalid(message, error);
      throw notFound(type === 'volume' ? message : `cannot access path ${name}/${subpath}: no such file or directory`);
    }
  }

  /** The counterpart of a launch for volumes, once the container has ended. */
  async unmountVolumes(container: Container): Promise<void> {
    for (const { type, name } of container.mounts) {
      if (type !== 'volume') continue;
      await this.volumes.unmount(name, container.id).catch((error: unknown) => {
        this.logger.error({ error, container: container.id, volume: name }, 'could not unmount a volume');
      });
    }
  }

  /** Has the volumes of a stopped container in their places while `work` lasts. */
  async withVolumes<Result>(container: Container, work: () => Promise<Result>): Promise<Result> {
    const undo = new UndoStack();
    try {
      await this.#mountVolumes(container, undo);
      return await work();
    } finally {
      await undo.rollBack(this.logger);
    }
  }

  /** For a container that ran already when the daemon came up. */
  adoptVolumes(container: Container): void {
    for (const { type, name } of container.mounts) if (type === 'volume') this.volumes.adopt(name, container.id);
  }

  async #prepareNetwork(container: Container, undo: UndoStack): Promise<number | undefined> {
    const mode = container.hostConfig.NetworkMode ?? 'bridge';
    if (mode !== 'bridge') return this.#requireNetwork(mode);
    const namespace = await this.networks.attach(container);
    undo.push(() => this.networks.release(container));
    return namespace;
  }

  /** Docker looks a network up at the start; a 404 at creation would be taken for an absent image. */
  #requireNetwork(mode: string): undefined {
    if (mode.startsWith('container:') || this.networks.find(mode)) return undefined;
    throw notFound(`failed to set up container networking: network ${mode} not found`);
  }

  #spec(container: Container, namespace: number | undefined): OciSpec {
    const { hostConfig } = container;
    const namespaces = this.#namespaces(container, namespace !== undefined);
    const useInit = hostConfig.Init ?? this.options.initByDefault;
    const shmSource = this.#sharedMemory(hostConfig.IpcMode);
    return containerSpec(container, {
      rootPath: this.directories.bundle(container.id, 'rootfs'),
      cgroupPath: this.cgroupPath(container),
      namespaces,
      etc: this.#etcFiles(container),
      ...(useInit && { initPath: this.options.initPath }),
      ...(shmSource && { shmSource }),
      ...(namespaces.user && this.options.idMappings && { idMappings: this.options.idMappings }),
      defaultUlimits: this.options.defaultUlimits,
      imageLayers: (imageId) => this.images.layerDirectories(imageId),
    });
  }

  /** Who joins another's network shares the files that describe it. */
  #etcFiles(container: Container): EtcFiles {
    const { NetworkMode = '' } = container.hostConfig;
    if (!NetworkMode.startsWith('container:')) return writeEtcFiles(container, this.directories, this.options.resolver);
    return etcFiles(this.registry.get(NetworkMode.slice('container:'.length)), this.directories);
  }

  /** What is on /dev/shm when it is not the container's own: the host's, or that of the container whose ipc it joins. */
  #sharedMemory(mode: string | undefined): string | undefined {
    const joined = this.#joined(mode, 'IPC');
    if (joined === undefined) return undefined;
    return joined === 'host' ? '/dev/shm' : `/proc/${joined}/root/dev/shm`;
  }

  #namespaces(container: Container, hasNetwork: boolean): JoinedNamespaces {
    const { PidMode, IpcMode, UTSMode, CgroupnsMode, NetworkMode, UsernsMode, Privileged } = container.hostConfig;
    const pid = this.#joined(PidMode, 'PID');
    const ipc = this.#joined(IpcMode, 'IPC');
    const network = this.#joined(NetworkMode, 'network');
    return {
      ...(pid !== undefined && { pid }),
      ...(ipc !== undefined && { ipc }),
      ...(UTSMode === 'host' && { uts: 'host' }),
      ...(CgroupnsMode === 'host' && { cgroup: 'host' }),
      ...(hasNetwork ? { network: { path: '/proc/self/fd/4' } } : network !== undefined && { network }),
      user: this.options.idMappings !== undefined && UsernsMode !== 'host' && !Privileged,
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

  async #writeBundle(container: Container, spec: OciSpec, undo: UndoStack): Promise<void> {
    const { directories } = this;
    const { hostConfig } = container;
    const runtime = this.options.runtimes.get(hostConfig.Runtime ?? '');
    const filter = await this.seccomp.filterFor(hostConfig, spec.process.capabilities.bounding);
    if (runtime) spec.linux.seccomp = this.seccomp.ociProfile(hostConfig, spec.process.capabilities.bounding);
    // The record of an earlier run must not be taken for that of this one.
    rmSync(directories.data(container.id, 'exit.json'), { force: true });
    directories.createBundle(container.id);
    undo.push(() => this.addon.removeTree(directories.bundle(container.id)));
    writeFileSync(directories.bundle(container.id, 'config.json'), JSON.stringify(spec));
    writeFileSync(
      directories.bundle(container.id, 'shim.json'),
      JSON.stringify({
        id: container.id,
        stateDirectory: directories.data(container.id),
        rootfs: {
          lower: this.images.layerDirectories(container.imageId),
          upper: directories.data(container.id, 'upper'),
          work: directories.data(container.id, 'work'),
        },
        cgroupPath: spec.linux.cgroupsPath,
        log: logSettings(container, directories.log(container.id)),
        stdin: { open: container.config.OpenStdin ?? false, once: container.config.StdinOnce ?? false },
        ...(filter && { seccompFilter: filter }),
        ...(runtime && { runtime }),
      }),
    );
  }
}

function createDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOTDIR' ? 'not a directory' : (error as Error).message;
    throw invalid(`error while creating mount source path '${path}': mkdir ${path}: ${reason}`, error);
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
