import { conflict, GantryError, invalid, notFound, unsupported } from '../errors.js';
import type { Addon } from '../runtime/addon.js';
import type { ContainerStore } from '../store/containers.js';
import type { Container, HostConfig } from './container.js';
import type { ContainerEvents } from './events.js';
import { completeHostConfig, type HostConfigDefaults } from './host-config.js';
import { hasNoProcess } from './just-ended.js';
import type { Launcher } from './launch.js';
import type { ContainerRegistry } from './registry.js';
import { containerResources } from './spec/resources.js';

/** What an update may change; everything else of a HostConfig is fixed at creation. */
const updatable = [
  'BlkioWeight', 'BlkioWeightDevice', 'BlkioDeviceReadBps', 'BlkioDeviceWriteBps', 'BlkioDeviceReadIOps',
  'BlkioDeviceWriteIOps', 'CpuShares', 'CpuPeriod', 'CpuQuota', 'CpuRealtimePeriod', 'CpuRealtimeRuntime', 'NanoCpus',
  'CpusetCpus', 'CpusetMems', 'Memory', 'MemoryReservation', 'MemorySwap', 'PidsLimit', 'RestartPolicy',
] as const; // prettier-ignore

/** Changes names and limits of existing containers. */
export class Updates {
  /** Called when a container has a new name. */
  onRenamed: (container: Container) => void = () => undefined;

  constructor(
    readonly addon: Addon,
    readonly registry: ContainerRegistry,
    readonly store: ContainerStore,
    readonly launcher: Launcher,
    readonly events: ContainerEvents,
    readonly defaults: () => HostConfigDefaults,
  ) {}

  /** Applies new limits, to the kernel first where the container runs. */
  async update(container: Container, changes: HostConfig): Promise<void> {
    await container.lock.run(async () => {
      if (container.state.status === 'removing')
        throw conflict('Container is marked for removal and cannot be "update".');
      refuseFixed(changes);
      refuseMemoryAboveSwap(container, changes);
      const merged = completeHostConfig(mergeLimits(container.hostConfig, changes), this.defaults());
      if (changes.PidsLimit != null && changes.PidsLimit <= 0) merged.PidsLimit = 0;
      if (container.running) await this.#apply(container, merged);
      container.hostConfig = merged;
      this.store.saveRecord(container);
      this.events.publish(container, 'update');
    });
  }

  async #apply(container: Container, limits: HostConfig): Promise<void> {
    try {
      await this.addon.cgroupUpdate(this.launcher.cgroupPath(container), { ...containerResources(limits, []) });
    } catch (error) {
      // It ends: they are for the next start, as they would be a moment later.
      if (!hasNoProcess(container.state.pid)) throw error;
    }
  }

  async rename(container: Container, requested: string): Promise<void> {
    if (!requested) throw invalid('Neither old nor new names may be empty');
    await container.lock.run(async () => {
      // A removal that was faster has given the name back; it must not be taken again.
      if (this.registry.find(container.id) !== container) throw notFound(`No such container: ${container.name}`);
      const oldName = container.name;
      if (requested.replace(/^\//, '') === oldName) {
        throw invalid('Renaming a container with the same name as its current name');
      }
      const name = this.#reserve(requested, container.id);
      this.registry.rename(container, name);
      this.registry.releaseName(name);
      this.onRenamed(container);
      this.store.saveRecord(container);
      this.events.publish(container, 'rename', { oldName: `/${oldName}` });
    });
  }

  #reserve(name: string, id: string): string {
    try {
      return this.registry.reserveName(name, id);
    } catch (error) {
      const { kind, message } = error as GantryError;
      throw new GantryError(kind, `Error when allocating new name: ${message}`, { cause: error });
    }
  }
}

/** What else the body of an update may name. Docker takes no notice of it; here nothing is ignored. */
function refuseFixed(changes: HostConfig): void {
  const fixed = Object.entries(changes).find(([name, value]) => !isUpdatable(name) && !isBlank(value));
  if (fixed)
    throw unsupported(`HostConfig.${fixed[0]} is not supported in an update: it is fixed when a container is created`);
}

const isUpdatable = (name: string): boolean => (updatable as readonly string[]).includes(name);

const isBlank = (value: unknown): boolean =>
  !value || value === -1 || (typeof value === 'object' && Object.keys(value).length === 0);

/** The limit of memory and swap together was set, or followed from that of memory, and does not follow it again. */
function refuseMemoryAboveSwap({ id, hostConfig: { MemorySwap = 0 } }: Container, changes: HostConfig): void {
  if (MemorySwap <= 0 || changes.MemorySwap || (changes.Memory ?? 0) <= MemorySwap) return;
  throw conflict(
    `Cannot update container ${id}: Memory limit should be smaller than already set memoryswap limit, ` +
      'update the memoryswap at the same time',
  );
}

/** Zero and absent leave a limit as it is, as in Docker. */
function mergeLimits(current: HostConfig, changes: HostConfig): HostConfig {
  const given = updatable.filter((name) => changes[name] != null && changes[name] !== 0 && changes[name] !== '');
  const merged: HostConfig = { ...current };
  for (const name of given) Object.assign(merged, { [name]: changes[name] });
  if (!changes.RestartPolicy?.Name) merged.RestartPolicy = current.RestartPolicy!;
  // Quota and period are the other way of saying NanoCpus: the new one replaces the old one.
  if (changes.NanoCpus) Object.assign(merged, { CpuPeriod: 0, CpuQuota: 0 });
  else if (changes.CpuQuota || changes.CpuPeriod) merged.NanoCpus = 0;
  return merged;
}
