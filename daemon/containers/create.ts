import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { BUILT_IN_RUNTIME } from '../config/value-syntax.js';
import { conflict, invalid, unsupported } from '../errors.js';
import type { ImageConfig } from '../images/image-document.js';
import type { Endpoints } from '../networks/endpoints.js';
import { exposedPorts, portRequests } from '../networks/port-requests.js';
import type { Addon } from '../runtime/addon.js';
import type { ContainerStore } from '../store/containers.js';
import {
  Container,
  type ContainerConfig,
  type ContainerMount,
  type EndpointSettings,
  type HostConfig,
} from './container.js';
import type { ContainerDirectories } from './directories.js';
import type { ContainerEvents } from './events.js';
import { completeHostConfig, type HostConfigDefaults } from './host-config.js';
import { commandOf, withImageDefaults } from './image-defaults.js';
import type { Links } from './links.js';
import { refuseConflictingModes } from './mode-conflicts.js';
import { requestedMounts } from './mount-points.js';
import { generateName } from './names.js';
import type { ContainerRegistry } from './registry.js';
import type { RequestedMount } from './requested-mount.js';
import { parseSignal } from '../signals.js';
import { createdState } from './state.js';
import { timestamp } from './timestamp.js';
import { refuseWithUserNamespace } from './user-namespace.js';
import type { CopyUp } from './volume-copy-up.js';
import { mountsFrom } from './volumes-from.js';

/** What the creation of a container needs from the images. */
export interface ImageSource {
  /** @throws GantryError not-found in the words on which the docker CLI starts a pull */
  resolve(reference: string, platform?: string): { id: string; config: ImageConfig };
  /** Makes what lies between the image's layers and the container's own. @throws GantryError when the image has gone meanwhile */
  prepareContainerLayers(imageId: string): Promise<void>;
}

/** What it needs from the volumes. */
export interface VolumeSource {
  /** Makes the volume if it does not exist; an empty name makes an anonymous one. */
  ensure(request: RequestedMount['volume'] & { name: string }): { name: string; mountpoint: string; device: boolean };
  /** Removes an anonymous volume that was made in vain. */
  removeUnused(name: string): Promise<void>;
}

export interface CreateRequest {
  name?: string | undefined;
  platform?: string | undefined;
  config: ContainerConfig;
  hostConfig: HostConfig;
  /** Whether a read-only bind mount makes those below it read-only, too, unless it says otherwise. By default so. */
  recursiveReadOnly?: boolean;
  /** Whether the client knows MAC addresses of endpoints, so that one of the whole container is out of date. */
  endpointMacAddresses?: boolean;
  endpoints: Record<string, EndpointSettings>;
}

/** Makes containers: a request becomes a record with every default filled in, its directories, and its row. */
export class Creation {
  constructor(
    readonly addon: Addon,
    readonly registry: ContainerRegistry,
    readonly store: ContainerStore,
    readonly directories: ContainerDirectories,
    readonly images: ImageSource,
    readonly volumes: VolumeSource,
    readonly copyUp: CopyUp,
    readonly endpoints: Endpoints,
    readonly links: Links,
    readonly events: ContainerEvents,
    readonly defaults: () => HostConfigDefaults,
  ) {}

  async create(request: CreateRequest): Promise<{ container: Container; warnings: string[] }> {
    refuseConflictingModes(request.config, request.hostConfig);
    const image = this.images.resolve(request.config.Image ?? '', request.platform);
    const config = withImageDefaults(request.config, image.config);
    const command = commandOf(config);
    if (config.StopSignal) parseSignal(config.StopSignal);
    validateConfig(config);
    const hostConfig = completeHostConfig(request.hostConfig, this.defaults());
    this.#requireJoined(hostConfig);
    hostConfig.Links = this.links.resolve(hostConfig)!; // the document has null lists as absent; Docker sends null
    refuseWithUserNamespace(hostConfig, this.directories.mapping.shifts);
    validatePorts(hostConfig, config);
    const networks = config.NetworkDisabled ? {} : this.#endpoints(hostConfig, config, request);
    const inherited = mountsFrom(hostConfig.VolumesFrom ?? [], (reference) => this.registry.find(reference));
    const requested = requestedMounts(config, hostConfig, inherited, request.recursiveReadOnly);
    checkSources(requested);
    refuseSubpaths(requested, hostConfig);
    // From here on nothing is waited for, so that the image is still there when the container is.
    await this.images.prepareContainerLayers(image.id);

    const id = randomBytes(32).toString('hex');
    this.#setHostname(config, hostConfig, id);
    const name = this.registry.reserveName(request.name || generateName((word) => this.registry.isNameFree(word)), id);
    let container: Container | undefined;
    const mounts: ContainerMount[] = [];
    try {
      this.directories.createData(id);
      for (const mount of requested) mounts.push(this.#withSource(mount));
      const record = {
        id,
        name,
        created: timestamp(),
        imageId: image.id,
        config,
        hostConfig,
        networks,
        mounts,
        ...command,
      };
      const created = (container = new Container(record, createdState()));
      this.store.insert(created, created.state);
      this.registry.add(created);
      await created.lock.run(() => this.copyUp.run(created));
      this.events.publish(created, 'create');
      return { container: created, warnings: warningsOf(hostConfig, request) };
    } catch (error) {
      if (container) {
        container.state.status = 'removing';
        this.store.delete(id);
        this.registry.remove(container);
      }
      this.registry.releaseName(name);
      await this.addon.removeTree(this.directories.data(id));
      for (const mount of mounts) if (mount.anonymous) await this.volumes.removeUnused(mount.name);
      throw error;
    }
  }

  #endpoints(
    hostConfig: HostConfig,
    { MacAddress }: ContainerConfig,
    { endpoints: requested, endpointMacAddresses }: CreateRequest,
  ): Record<string, EndpointSettings> {
    const mode = hostConfig.NetworkMode ?? 'bridge';
    if (mode.startsWith('container:')) {
      if (Object.keys(requested).length > 0) {
        throw conflict('conflicting options: a container that joins another network namespace has no endpoints');
      }
      const other = this.#other(mode.slice('container:'.length), 'joining network namespace of container: ');
      // It stays with this one, whoever has the name later.
      hostConfig.NetworkMode = `container:${other.id}`;
      return {};
    }
    return this.endpoints.requested(mode, requested, endpointMacAddresses ? MacAddress : '');
  }

  /** Whose namespaces it joins must exist. Not a 404, which clients take for an absent image, and pull it. */
  #requireJoined({ PidMode = '', IpcMode = '' }: HostConfig): void {
    for (const mode of [PidMode, IpcMode]) {
      const [, name] = /^container:(.+)$/.exec(mode) ?? [];
      if (name && !this.registry.find(name)) throw invalid(`No such container: ${name}`);
    }
  }

  /** Who joins another's network has its name, too. */
  #setHostname(config: ContainerConfig, { NetworkMode = '', UTSMode }: HostConfig, id: string): void {
    if (UTSMode === 'host' || NetworkMode === 'host') config.Hostname ||= hostname();
    else if (NetworkMode.startsWith('container:')) {
      config.Hostname = this.registry.get(NetworkMode.slice('container:'.length)).config.Hostname ?? '';
    } else config.Hostname ||= id.slice(0, 12);
  }

  /** Another container that the request names. A 404 would be taken for an absent image, which clients go and pull. */
  #other(reference: string, purpose = ''): Container {
    try {
      return this.registry.get(reference);
    } catch (error) {
      throw invalid(`${purpose}${(error as Error).message}`, error);
    }
  }

  /** Names what is mounted: the volume, made if need be, or the id of the image. */
  #withSource({ volume, ...mount }: RequestedMount): ContainerMount {
    if (mount.source !== '') return mount;
    if (mount.type === 'image') return { ...mount, source: this.images.resolve(mount.name).id };
    if (mount.type !== 'volume') return mount;
    const { name, mountpoint, device } = this.volumes.ensure({ ...volume, name: mount.name });
    const anonymous = mount.name === '';
    return { ...mount, name, source: mountpoint, ...(anonymous && { anonymous }), ...(device && { device }) };
  }
}

function validateConfig(config: ContainerConfig): void {
  for (const entry of config.Env ?? []) {
    if (entry.startsWith('=') || entry === '') throw invalid(`invalid environment variable: ${entry}`);
    if (entry.includes('\0')) throw invalid('invalid environment variable: it contains a NUL byte');
  }
  if (config.WorkingDir && !config.WorkingDir.startsWith('/')) {
    throw invalid(`the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`);
  }
  if (config.Hostname && !/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62})?$/.test(config.Hostname)) {
    throw invalid(`invalid hostname: ${config.Hostname}`);
  }
  const { Interval = 0, Timeout = 0, StartPeriod = 0, StartInterval = 0, Retries = 0 } = config.Healthcheck ?? {};
  const durations = { Interval, Timeout, StartPeriod, StartInterval };
  for (const [field, value] of Object.entries(durations)) {
    if (value !== 0 && value < 1_000_000) throw invalid(`${field} in Healthcheck cannot be less than 1ms`);
  }
  if (Retries < 0) throw invalid('Retries in Healthcheck cannot be negative');
}

function validatePorts(hostConfig: HostConfig, config: ContainerConfig): void {
  exposedPorts(config);
  const requests = portRequests(hostConfig, config);
  if (requests.length > 0 && hostConfig.NetworkMode?.startsWith('container:')) {
    throw invalid('conflicting options: port publishing and the container type network mode');
  }
}

function warningsOf(
  { NetworkMode, PortBindings, OomKillDisable, Memory }: HostConfig,
  { config, endpointMacAddresses }: CreateRequest,
): string[] {
  const warnings: string[] = [];
  if (NetworkMode === 'host' && Object.keys(PortBindings ?? {}).length > 0) {
    warnings.push('Published ports are discarded when using host network mode');
  }
  if (OomKillDisable && !Memory) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
  if (config.MacAddress && endpointMacAddresses) {
    warnings.push(
      'The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.',
    );
  }
  return warnings;
}

/** Fails early where a start would fail, with the words of Docker. */
function checkSources(mounts: readonly ContainerMount[]): void {
  for (const { type, source, createSource } of mounts) {
    if (type === 'bind' && !createSource && !existsSync(source)) {
      throw invalid(`invalid mount config for type "bind": bind source path does not exist: ${source}`);
    }
  }
}

/** An OCI runtime takes a path, and a path inside a volume could be changed before it looks. */
function refuseSubpaths(mounts: readonly ContainerMount[], { Runtime }: HostConfig): void {
  if (Runtime === BUILT_IN_RUNTIME || !mounts.some(({ subpath }) => subpath !== undefined)) return;
  throw unsupported(`the subpath of a mount is not supported with the runtime "${Runtime}": use "${BUILT_IN_RUNTIME}"`);
}
