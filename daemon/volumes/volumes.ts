import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { conflict, invalid, notFound, unsupported } from '../errors.js';
import type { EventPublisher } from '../events/event-publisher.js';
import { timestamp } from '../containers/timestamp.js';
import type { Filters } from '../http/filters.js';
import type { Addon } from '../runtime/addon.js';
import type { VolumeRecord, VolumeStore } from '../store/volumes.js';
import { IdMapping } from '../userns/id-mapping.js';

/** Who uses a volume: the ids of containers, running or not. */
export interface VolumeUsers {
  usersOf(name: string): string[];
}

export interface VolumeRequest {
  name: string;
  driver?: string | undefined;
  labels?: Record<string, string> | undefined;
  options?: Record<string, string> | undefined;
}

const validName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const anonymousLabel = 'com.docker.volume.anonymous';

/** The volumes of the `local` driver: a row, and a directory `volumes/<name>/_data`. A directory without a row is garbage. */
export class Volumes {
  readonly #records = new Map<string, VolumeRecord>();

  constructor(
    readonly dataRoot: string,
    readonly store: VolumeStore,
    readonly addon: Addon,
    readonly events: EventPublisher,
    readonly users: VolumeUsers,
    readonly mapping = IdMapping.identity,
  ) {
    mkdirSync(join(dataRoot, 'volumes'), { recursive: true, mode: 0o701 });
    for (const record of store.all()) this.#records.set(record.name, record);
  }

  mountpoint(name: string): string {
    return join(this.dataRoot, 'volumes', name, '_data');
  }

  list(): VolumeRecord[] {
    return [...this.#records.values()];
  }

  /** @throws GantryError not-found */
  get(name: string): VolumeRecord {
    const record = this.#records.get(name);
    if (!record) throw notFound(`get ${name}: no such volume`);
    return record;
  }

  /** Makes a volume; one of that name that exists already is returned as it is. */
  create(request: VolumeRequest): VolumeRecord {
    const { driver = 'local', labels = {}, options = {} } = request;
    if (driver !== 'local' && driver !== '') {
      throw notFound(`error looking up volume plugin ${driver}: plugin "${driver}" not found: use "local"`);
    }
    const [option] = Object.keys(options);
    if (option !== undefined)
      throw unsupported(`volume option "${option}" is not supported by Gantry's local driver yet`);
    const anonymous = request.name === '';
    const name = request.name || randomBytes(32).toString('hex');
    checkName(name);
    const existing = this.#records.get(name);
    if (existing) return existing;
    const record = {
      name,
      created: timestamp(),
      labels: anonymous ? { ...labels, [anonymousLabel]: '' } : labels,
      options,
      anonymous,
    };
    mkdirSync(this.mountpoint(name), { recursive: true, mode: 0o755 });
    if (this.mapping.shifts) chownSync(this.mountpoint(name), this.mapping.root.uid, this.mapping.root.gid);
    this.store.insert(record);
    this.#records.set(name, record);
    this.#publish('create', name);
    return record;
  }

  /** The volume for a mount, made if it does not exist. */
  ensure(name: string): { name: string; mountpoint: string } {
    const record = this.create({ name });
    return { name: record.name, mountpoint: this.mountpoint(record.name) };
  }

  isAnonymous(name: string): boolean {
    return this.#records.get(name)?.anonymous ?? false;
  }

  /** @throws GantryError not-found, or conflict while a container uses it */
  async remove(name: string, force = false): Promise<void> {
    if (!this.#records.has(name)) {
      if (force) return;
      throw notFound(`get ${name}: no such volume`);
    }
    const users = this.users.usersOf(name);
    if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(', ')}]`);
    this.store.delete(name);
    this.#records.delete(name);
    await this.addon.removeTree(join(this.dataRoot, 'volumes', name));
    this.#publish('destroy', name);
  }

  /** Removes the volume unless a container uses it. */
  async removeUnused(name: string): Promise<void> {
    if (this.#records.has(name) && this.users.usersOf(name).length === 0) await this.remove(name);
  }

  /** Removes a volume that was made for a container which then could not be made. */
  discard(name: string): Promise<void> {
    return this.remove(name, true);
  }

  /** Removes unused volumes: anonymous ones, or with the filter `all` every one. */
  async prune(filters: Filters, everyKind: boolean): Promise<{ VolumesDeleted: string[]; SpaceReclaimed: number }> {
    const all = filters.boolean('all', everyKind);
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const { name, anonymous, labels } of this.list()) {
      if (!(anonymous || all) || !filters.labels(labels) || this.users.usersOf(name).length > 0) continue;
      reclaimed += await this.size(name);
      await this.remove(name);
      deleted.push(name);
    }
    this.events.publish({ type: 'volume', action: 'prune', actorId: '', attributes: { reclaimed: String(reclaimed) } });
    return { VolumesDeleted: deleted, SpaceReclaimed: reclaimed };
  }

  /** Bytes on disk. */
  size(name: string): Promise<number> {
    return this.addon.diskUsage(this.mountpoint(name));
  }

  /** Removes directories that no row names. */
  async collectGarbage(): Promise<void> {
    for (const name of readdirSync(join(this.dataRoot, 'volumes'))) {
      if (!this.#records.has(name)) await this.addon.removeTree(join(this.dataRoot, 'volumes', name));
    }
  }

  #publish(action: string, name: string): void {
    this.events.publish({ type: 'volume', action, actorId: name, attributes: { driver: 'local' } });
  }
}

function checkName(name: string): void {
  if (validName.test(name)) return;
  throw invalid(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. ` +
      'If you intended to pass a host directory, use absolute path',
  );
}
