import { existsSync } from 'node:fs';
import type { Addon, OverlayBind, Root } from '../runtime/addon.js';
import { IdMapping } from '../userns/id-mapping.js';
import { type Container, type ContainerMount, isBelowDataRoot } from './container.js';
import { byDepth, type EtcFiles } from './spec/mounts.js';

/** How the files of one container can be reached at the moment, and what its configuration says about writing to them. */
export interface FileAccess {
  addon: Addon;
  /** As the client named the container; for messages. */
  name: string;
  /** For looking and reading. */
  readRoot: Root;
  writeRoot: Root;
  readonlyRootfs: boolean;
  mounts: { target: string; readonly: boolean }[];
  /** `Config.User`, "user[:group]". */
  user: string;
  /** Whose ids the files have, seen from here. */
  mapping: IdMapping;
}

/** Where a container's layers are: its own, and those of its image, topmost first. */
export interface ContainerLayers {
  upper: string;
  work: string;
  lower: string[];
  /** Of another image. */
  imageLayers: (imageId: string) => string[];
}

/**
 * A running container is seen through its init process, with everything mounted there. A stopped one is put together for
 * each operation, with its volumes.
 * @param etc of the container, or of the one whose network it shares; there from the first start on
 */
export function fileAccess(
  addon: Addon,
  name: string,
  container: Container,
  layers: ContainerLayers,
  mapping: IdMapping,
  etc?: EtcFiles,
): FileAccess {
  const mounts = container.mounts.map((mount) => ({ target: mount.destination, readonly: !mount.readWrite }));
  const common = {
    addon,
    name,
    mounts,
    readonlyRootfs: container.hostConfig.ReadonlyRootfs ?? false,
    user: container.config.User ?? '',
    // The mounts of a container with the host's ids show them as its own.
    mapping: container.hasHostIds ? IdMapping.identity : mapping,
  };
  if (container.running) {
    const root: Root = { kind: 'process', pid: container.state.pid };
    return { ...common, readRoot: root, writeRoot: root };
  }
  const shown = container.hasHostIds && mapping.shifts ? { shown: mapping.inverse } : {};
  const { upper, work, lower, imageLayers } = layers;
  const binds = [
    ...container.mounts
      .filter((mount) => mount.type !== 'tmpfs')
      .map((mount) => ({ ...toBind(mount, imageLayers), ...(isBelowDataRoot(mount) && shown) })),
    ...etcBinds(etc, mounts, common.readonlyRootfs),
  ].sort((one, other) => byDepth(one.target, other.target));
  const writeRoot: Root = { kind: 'overlay', upper, work, lower, binds, owner: mapping.root, ...shown };
  const readRoot = binds.length > 0 ? writeRoot : { ...readOnlyRoot(layers), ...shown };
  return { ...common, readRoot, writeRoot };
}

function toBind(mount: ContainerMount, imageLayers: ContainerLayers['imageLayers']): OverlayBind {
  const { source, destination, readWrite, subpath } = mount;
  return {
    source,
    target: destination,
    readonly: !readWrite,
    ...(subpath !== undefined && { subpath }),
    ...(mount.type === 'image' && { layers: imageLayers(source) }),
  };
}

/** What is bound over the files in /etc while the container runs. */
function etcBinds(etc: EtcFiles | undefined, mounts: FileAccess['mounts'], readonly: boolean): OverlayBind[] {
  if (!etc) return [];
  const files = { '/etc/hostname': etc.hostname, '/etc/hosts': etc.hosts, '/etc/resolv.conf': etc.resolvConf };
  return Object.entries(files)
    .filter(([target, source]) => existsSync(source) && !mounts.some((mount) => mount.target === target))
    .map(([target, source]) => ({ source, target, readonly }));
}

/**
 * The writable layer as the topmost of the others. Nothing can be made in it, so volumes are not attached; it may be
 * looked at while the container runs, and unmounting it does not wait for the disk as a writable overlay does.
 */
export function readOnlyRoot(layers: Pick<ContainerLayers, 'upper' | 'lower'>): Root {
  return { kind: 'overlay', lower: [layers.upper, ...layers.lower], binds: [] };
}
