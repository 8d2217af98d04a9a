import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { Builder } from './build/builder.js';
import { ContextStore } from './build/buildkit/context-store.js';
import type { BuildKit } from './build/buildkit/index.js';
import { CacheMounts } from './build/cache-mounts.js';
import { CacheUsage } from './build/cache-usage.js';
import { StepContainers, StepLayers } from './build/step-containers.js';
import type { Config } from './config/options.js';
import { BUILT_IN_RUNTIME } from './config/value-syntax.js';
import { Attachments } from './containers/attach.js';
import { ContainerVolumes } from './containers/container-volumes.js';
import { Creation } from './containers/create.js';
import { ContainerDirectories } from './containers/directories.js';
import { ContainerEvents } from './containers/events.js';
import { Execs } from './containers/exec.js';
import { HealthChecks } from './containers/health.js';
import type { HostConfigDefaults } from './containers/host-config.js';
import type { Containers } from './containers/index.js';
import { Launcher, type ContainerLayers, type LaunchOptions, type OciRuntime } from './containers/launch.js';
import { Lifecycle } from './containers/lifecycle.js';
import { Links } from './containers/links.js';
import { Logs } from './containers/logs.js';
import { NameResolution } from './containers/name-resolution.js';
import { refuseContainersOfAnotherDataRoot } from './containers/other-data-root.js';
import { Reconciliation } from './containers/reconcile.js';
import { ContainerRegistry } from './containers/registry.js';
import { Removal } from './containers/removal.js';
import { SeccompFilters } from './containers/seccomp-filters.js';
import { readSeccompProfile } from './containers/spec/security.js';
import { Statistics } from './containers/stats.js';
import { timestamp } from './containers/timestamp.js';
import { Updates } from './containers/update.js';
import { CopyUp } from './containers/volume-copy-up.js';
import { Events } from './events/events.js';
import { maxLayerEntries } from './images/content.js';
import { Images } from './images/images.js';
import { hostPlatform } from './images/platform.js';
import { Registries } from './images/registry/registries.js';
import { defaultTimings, registrySettings } from './images/registry/settings.js';
import { Endpoints } from './networks/endpoints.js';
import { NetworkEvents } from './networks/events.js';
import { NameTables } from './networks/name-tables.js';
import { memberNames } from './networks/network-names.js';
import type { NetworkOptions } from './networks/network-options.js';
import { Networks } from './networks/networks.js';
import type { Addon } from './runtime/addon.js';
import type { IdMapping } from './userns/id-mapping.js';
import { Shims } from './runtime/shims.js';
import { BlobSourceStore } from './store/blob-sources.js';
import { BuildCacheStore } from './store/build-cache.js';
import { BuildContextStore } from './store/build-contexts.js';
import { BuildDownloadStore } from './store/build-downloads.js';
import { BuildHistoryStore } from './store/build-history.js';
import { ContainerStore } from './store/containers.js';
import type { Database } from './store/database.js';
import { EventStore } from './store/events.js';
import { ImageStore } from './store/images.js';
import { NetworkStore } from './store/networks.js';
import { VolumeStore } from './store/volumes.js';
import { makeDirectories } from './make-directories.js';
import { engineId } from './system/host.js';
import { engineVersion } from './version.js';
import { Volumes } from './volumes/volumes.js';

/** The nouns, wired together. */
export interface Engine {
  config: Config;
  containers: Containers;
  images: Images;
  networks: Networks;
  registries: Registries;
  endpoints: Endpoints;
  names: NameResolution;
  volumes: Volumes;
  events: Events;
  reconciliation: Reconciliation;
  builder: Builder;
  contexts: ContextStore;
  buildKit: () => Promise<BuildKit>;
  cacheUsage: CacheUsage;
}

/** Where a build puts the shim, relative to the compiled daemon. */
const shimPath = join(import.meta.dirname, '..', 'addon', 'gantry-shim');

/** Where trees come and go: each is to have its own part of the disk. What is only a matter of speed stops nothing. */
function spreadOverDisk(addon: Addon, dataRoot: string, logger: FastifyBaseLogger): void {
  for (const name of ['containers', 'tmp/images', 'build/contexts']) {
    const directory = join(dataRoot, name);
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      addon.spreadSubdirectories(directory);
    } catch (error) {
      logger.warn({ err: error }, 'cannot spread directories over the disk');
    }
  }
}

/**
 * Makes the nouns over an open database; nothing runs yet.
 * @param mapping the ids of the host that containers get, and that everything below the data root is owned by
 */
export function createEngine(
  config: Config,
  mapping: IdMapping,
  addon: Addon,
  database: Database,
  logger: FastifyBaseLogger,
): Engine {
  const { dataRoot, execRoot } = config;
  for (const directory of [dataRoot, execRoot]) makeDirectories(directory, 0o711);
  const host = addon.hostInfo();
  const directories = new ContainerDirectories(dataRoot, execRoot, mapping);
  spreadOverDisk(addon, dataRoot, logger);
  const registry = new ContainerRegistry();
  const events = new Events(new EventStore(database));
  const containerEvents = new ContainerEvents(events);
  const store = new ContainerStore(database);
  const shims = new Shims(addon, shimPath, Buffer.byteLength(directories.bundle('0'.repeat(64))));

  const usersOfVolume = (name: string): string[] =>
    registry
      .all()
      .filter(({ mounts }) => mounts.some((mount) => mount.type === 'volume' && mount.name === name))
      .map(({ id }) => id);
  const usersOfImage = (imageId: string): { id: string; running: boolean }[] =>
    registry
      .all()
      .filter(
        (container) =>
          container.imageId === imageId ||
          container.mounts.some((mount) => mount.type === 'image' && mount.source === imageId),
      );
  const volumes = new Volumes(dataRoot, new VolumeStore(database), addon, events, { usersOf: usersOfVolume }, mapping);
  const images = new Images(
    dataRoot,
    new ImageStore(database),
    addon,
    events,
    { containersUsing: usersOfImage },
    mapping,
    { maxBytes: config.maxLayerSize, maxEntries: maxLayerEntries },
  );
  const registries = new Registries(
    { ...images, sources: new BlobSourceStore(database) },
    () => registrySettings(config, certificateDirectories(config)),
    defaultTimings,
    `gantry/${engineVersion} os/linux arch/${hostPlatform.architecture}`,
  );
  const networkEvents = new NetworkEvents(events);
  const networks = new Networks(addon, new NetworkStore(database), networkEvents, networkOptions(config), logger);
  const endpoints = new Endpoints(addon, networks, store, () => registry.all(), logger);
  const names = new NameResolution(new NameTables(execRoot), networks, directories, {
    servers: config.dns,
    search: config.dnsSearch,
    options: config.dnsOptions,
    hostGateways: () => networks.hostGateways,
  });
  networks.onRemoved = ({ id }) => names.tables.remove(id);
  endpoints.onNamesChanged = (network, containers) =>
    names.tables.update(
      network,
      containers.map((each) => [each.id, memberNames(each, network)]),
    );
  endpoints.onConnected = (container, endpoint) => names.connected(container, endpoint);
  endpoints.onDisconnected = (container, endpoint) => names.disconnected(container, endpoint);

  const links = new Links(registry, directories, store, config.interContainer);
  const copyUp = new CopyUp(addon, store, directories, images, volumes);
  const seccomp = new SeccompFilters(addon, join(execRoot, 'seccomp'), defaultSeccompProfile(config));
  const launchOptions: LaunchOptions = {
    cgroupParent: config.cgroupParent,
    initPath: config.initPath,
    initByDefault: config.init,
    defaultUlimits: Object.values(config.defaultUlimits),
    runtimes: ociRuntimes(config),
  };
  const launcherFor = (layers: ContainerLayers, options: LaunchOptions): Launcher =>
    new Launcher(
      addon,
      shims,
      registry,
      directories,
      endpoints,
      layers,
      new ContainerVolumes(addon, layers, volumes, copyUp, logger),
      seccomp,
      names,
      links,
      options,
      logger,
    );
  const launcher = launcherFor(images, launchOptions);
  const execs = new Execs(registry, links, containerEvents);
  const health = new HealthChecks(execs, store, containerEvents, logger);
  const lifecycle = new Lifecycle(addon, launcher, store, directories, endpoints, containerEvents, health, logger);
  const removal = new Removal(
    addon,
    registry,
    store,
    directories,
    lifecycle,
    volumes,
    containerEvents,
    (container) => execs.forget(container),
    () => images.removal.releaseUnused(),
    logger,
  );
  const defaults = (): HostConfigDefaults => ({
    runtime: config.defaultRuntime,
    runtimes: new Set([BUILT_IN_RUNTIME, ...Object.keys(config.runtimes)]),
    logDriver: config.logDriver,
    logOptions: config.logOpts,
    shmSize: config.defaultShmSize,
    ipcMode: config.defaultIpcMode,
    cgroupNamespaceMode: config.defaultCgroupnsMode || (host.cgroupVersion === 2 ? 'private' : 'host'),
    cpus: host.cpus,
    noNewPrivileges: config.noNewPrivileges,
  });
  const creation = new Creation(
    addon,
    registry,
    store,
    directories,
    images,
    volumes,
    copyUp,
    endpoints,
    links,
    containerEvents,
    defaults,
  );
  const logs = new Logs(directories);
  const updates = new Updates(addon, registry, store, launcher, containerEvents, defaults);
  updates.onRenamed = (container) => endpoints.renamed(container);
  const containers: Containers = {
    addon,
    registry,
    directories,
    creation,
    launcher,
    lifecycle,
    removal,
    updates,
    attachments: new Attachments(logs, containerEvents),
    execs,
    links,
    logs,
    statistics: new Statistics(addon, launcher),
    events: containerEvents,
    listContext: {
      find: (reference) => registry.get(reference),
      descendants: (reference) => images.descendants(reference),
      networkId: (reference) => networks.find(reference)?.id,
    },
    layerDirectories: (imageId) => images.containerLayers(imageId),
    imageLayers: (imageId) => images.layerDirectories(imageId),
    imageName: (imageId, requested) => images.displayName(imageId, requested),
    imageSize: (imageId) => images.size(imageId),
  };
  const reconciliation = new Reconciliation(
    addon,
    shims,
    registry,
    store,
    directories,
    launcher,
    lifecycle,
    config.cgroupParent,
    logger,
  );
  const stepLayers = new StepLayers();
  const buildCache = new BuildCacheStore(database);
  const cacheMounts = new CacheMounts(buildCache, addon, dataRoot);
  const steps = new StepContainers(
    addon,
    launcherFor(stepLayers, { ...launchOptions, initByDefault: false, ephemeral: true }),
    stepLayers,
    directories,
    endpoints,
    defaults,
    logger,
  );
  const downloads = new BuildDownloadStore(database);
  const builder = new Builder(
    images,
    registries.puller,
    buildCache,
    downloads,
    cacheMounts,
    steps,
    join(execRoot, 'build'),
  );
  const contexts = new ContextStore(dataRoot, addon, images.content.mapping.root, new BuildContextStore(database));
  const cacheUsage = new CacheUsage(buildCache, cacheMounts, contexts, images.content);
  const buildKit = once(async () => {
    // Most engines never see a client of BuildKit, and what it takes to serve one is not small.
    const { BuildKit } = await import('./build/buildkit/index.js');
    return new BuildKit({
      builder,
      contexts,
      addon,
      images,
      puller: registries.puller,
      usage: cacheUsage,
      history: new BuildHistoryStore(database),
      engineId: () => engineId(dataRoot),
      hostGateways: () => networks.hostGateways,
    });
  });
  return {
    config,
    containers,
    images,
    networks,
    endpoints,
    names,
    registries,
    volumes,
    events,
    reconciliation,
    builder,
    cacheUsage,
    contexts,
    buildKit,
  };
}

/** Brings the world and SQLite together, then starts what restart policies ask for. */
export async function startEngine(engine: Engine, logger: FastifyBaseLogger): Promise<void> {
  const { directories, shims } = engine.reconciliation;
  await refuseContainersOfAnotherDataRoot(directories, shims);
  engine.reconciliation.load();
  engine.networks.load(timestamp());
  engine.names.tables.retain(new Set(engine.networks.list().map(({ id }) => id)));
  await engine.networks.choosePortForwarding();
  await engine.networks.start(engine.endpoints.restore());
  await engine.reconciliation.run();
  const { registry } = engine.containers;
  engine.endpoints.releaseAbandoned((id) => engine.reconciliation.isOpen(id) || (registry.find(id)?.running ?? false));
  const { lost } = await engine.images.collectGarbage();
  if (lost.length > 0) {
    logger.warn({ images: lost }, 'images whose content was lost are gone: pull or load them again');
  }
  engine.registries.collectGarbage();
  await engine.builder.collectGarbage();
  await engine.contexts.collectGarbage();
  await engine.volumes.collectGarbage();
  engine.containers.launcher.prepare();
}

function once<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let made: Promise<Result> | undefined;
  return () => (made ??= make());
}

/** Beside our own configuration; else dockerd's, so that what works there works here. */
function certificateDirectories({ configFile }: Config): string[] {
  return [join(dirname(configFile), 'certs.d'), '/etc/docker/certs.d'];
}

function networkOptions(config: Config): NetworkOptions {
  return {
    bridge: config.bridge,
    bridgeAddress: config.bip,
    bridgeAddressIPv6: config.bip6,
    fixedCidr: config.fixedCidr,
    fixedCidrIPv6: config.fixedCidrIPv6,
    defaultGateway: config.defaultGateway,
    defaultGatewayIPv6: config.defaultGatewayIPv6,
    ipv6: config.ipv6,
    interContainer: config.interContainer,
    hostBinding: config.ip,
    mtu: config.mtu,
    table: config.nftablesTable,
    masquerade: config.ipMasquerade,
    forward: config.ipForward,
    firewall: config.iptables,
    firewallIPv6: config.ip6tables,
    pools: config.defaultAddressPools,
    defaults: config.defaultNetworkOpts,
    hostGateways: config.hostGatewayIps,
    portForwarding: config.portForwarding,
    userlandProxy: config.userlandProxy,
    directRouting: config.allowDirectRouting,
  };
}

function defaultSeccompProfile({ seccompProfile }: Config): string {
  if (seccompProfile === 'unconfined') return seccompProfile;
  const builtIn = join(import.meta.dirname, '..', '..', 'daemon', 'runtime', 'seccomp-default.json');
  return readSeccompProfile(seccompProfile === 'builtin' ? builtIn : seccompProfile);
}

function ociRuntimes({ runtimes }: Config): ReadonlyMap<string, OciRuntime> {
  return new Map(Object.entries(runtimes).map(([name, { path, runtimeArgs }]) => [name, { path, args: runtimeArgs }]));
}
