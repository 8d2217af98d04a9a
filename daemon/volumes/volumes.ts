import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Mutex } from '../containers/mutex.js';
import { timestamp } from '../containers/timestamp.js';
import { conflict, invalid, notFound } from '../errors.js';
import type { EventPublisher } from '../events/event-publisher.js';
import type { Filters } from '../http/filters.js';
import type { Addon, NativeError } from '../runtime/addon.js';
import type { VolumeRecord, VolumeStore } from '../store/volumes.js';
import { IdMapping } from '../userns/id-mapping.js';
import type { Filling } from './filling.js';
import { VolumeMounts } from './mounts.js';
import { deviceOf, validateOptions } from './options.js';

/** Who uses a volume: the ids of containers, running or not. */
export interface VolumeUsers {
  usersOf(name: string): string[];
}

export interface VolumeRequest {
  /** Empty for an anonymous volume. */
  name: string;
  driver?: string | null | undefined;
  labels?: Record<string, string> | null | undefined;
  options?: Record<string, string> | null | undefined;
}

/** One use of a volume by a container, for the events that tell of it. */
export interface VolumeUse {
  name: string;
  destination: string;
  propagation: string;
  readWrite: boolean;
}

const validName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const anonymousLabel = 'com.docker.volume.anonymous';

/** The volumes of the `local` driver: a row, and a directory `volumes/<name>/_data`. A directory without a row is garbage. */
export class Volumes {
  readonly #records = new Map<string, VolumeRecord>();
  readonly #mounts: VolumeMounts;
  readonly #fillLocks = new Map<string, Mutex>();

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
    this.#mounts = new VolumeMounts(addon);
  }

  mountpoint(name: string): string {
    return join(this.#directory(name), '_data');
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

  /**
   * Makes a volume; one of that name that exists already is returned as it is, whatever else is asked for, as Docker does.
   * @param kept false for one that belongs to a container, and is removed at the next start if that never came to be
   */
  create(request: VolumeRequest, kept = true): VolumeRecord {
    const anonymous = request.name === '';
    const name = request.name || randomBytes(32).toString('hex');
    const driver = request.driver || 'local';
    if (driver !== 'local') {
      throw notFound(`create ${name}: error looking up volume plugin ${driver}: plugin "${driver}" not found`);
    }
    checkName(name);
    const existing = this.#records.get(name);
    if (existing) {
      if (kept) this.keep(name);
      return existing;
    }
    const { labels = null, options = null } = request;
    validateOptions(name, options ?? {});
    const record: VolumeRecord = {
      name,
      created: timestamp(),
      labels: anonymous ? { ...labels, [anonymousLabel]: '' } : labels,
      options,
      kept,
    };
    mkdirSync(this.mountpoint(name), { recursive: true, mode: 0o755 });
    if (this.mapping.shifts) chownSync(this.mountpoint(name), this.mapping.root.uid, this.mapping.root.gid);
    this.store.insert(record);
    this.#records.set(name, record);
    this.#publish('create', name);
    return record;
  }

  /** The volume for a mount, made if it does not exist. Without a name it belongs to the container. */
  ensure(request: VolumeRequest): { name: string; mountpoint: string; device: boolean } {
    const { name, options } = this.create(request, request.name !== '');
    return { name, mountpoint: this.mountpoint(name), device: deviceOf(options) !== undefined };
  }

  /** The volume does not go with the container that it was made for. */
  keep(name: string): void {
    const record = this.#records.get(name);
    if (!record || record.kept) return;
    this.store.keep(name);
    record.kept = true;
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
    this.#fillLocks.delete(name);
    // Aside first, so that a volume of the same name made meanwhile has a directory of its own.
    const aside = join(this.dataRoot, 'volumes', `.${randomBytes(16).toString('hex')}`);
    renameSync(this.#directory(name), aside);
    await this.addon.unmountVolume(join(aside, '_data'));
    await this.addon.removeTree(aside);
    this.#publish('destroy', name);
  }

  /** Removes the volume unless a container uses it. */
  async removeUnused(name: string): Promise<void> {
    if (this.#records.has(name) && this.users.usersOf(name).length === 0) await this.remove(name);
  }

  /** Removes unused volumes: anonymous ones, or with the filter `all` every one. Those with a device stay, as in Docker. */
  async prune(filters: Filters, everyKind: boolean): Promise<{ VolumesDeleted: string[]; SpaceReclaimed: number }> {
    const all = filters.boolean('all', everyKind);
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const { name, labels, options } of this.list()) {
      const wanted = (all || labels?.[anonymousLabel] !== undefined) && filters.labels(labels);
      if (!wanted || deviceOf(options) || this.users.usersOf(name).length > 0) continue;
      reclaimed += await this.size(name);
      // Measuring took its time.
      if (!this.#records.has(name) || this.users.usersOf(name).length > 0) continue;
      await this.remove(name);
      deleted.push(name);
    }
    this.events.publish({ type: 'volume', action: 'prune', actorId: '', attributes: { reclaimed: String(reclaimed) } });
    return { VolumesDeleted: deleted, SpaceReclaimed: reclaimed };
  }

  /** Bytes on disk; -1 for a volume that lies elsewhere. */
  async size(name: string): Promise<number> {
    if (deviceOf(this.#records.get(name)?.options ?? null)) return -1;
    return this.addon.diskUsage(this.mountpoint(name));
  }

  /** Makes the volume's content appear in its directory until `user` releases it. @throws GantryError */
  async acquire(name: string, user: string): Promise<void> {
    const device = deviceOf(this.get(name).options);
    if (device) await this.#mounts.acquire(this.mountpoint(name), device, user);
  }

  async release(name: string, user: string): Promise<void> {
    if (deviceOf(this.#records.get(name)?.options ?? null)) await this.#mounts.release(this.mountpoint(name), user);
  }

  /** A container is about to start with the volume. @throws GantryError */
  async mount(use: VolumeUse, containerId: string): Promise<void> {
    await this.acquire(use.name, containerId);
    this.#publish('mount', use.name, {
      container: containerId,
      destination: use.destination,
      propagation: use.propagation,
      'read/write': String(use.readWrite),
    });
  }

  /** A container has ended. */
  async unmount(name: string, containerId: string): Promise<void> {
    await this.release(name, containerId);
    this.#publish('unmount', name, { container: containerId });
  }

  /** A container that ran already when the daemon came up. */
  adopt(name: string, containerId: string): void {
    if (deviceOf(this.#records.get(name)?.options ?? null)) this.#mounts.adopt(this.mountpoint(name), containerId);
  }

  /**
   * Gives the volume its first content if it is empty; one at a time for each volume.
   * @param user who does it, for the time it takes
   */
  async fill(name: string, user: string, filling: Filling): Promise<void> {
    await this.acquire(name, user);
    try {
      await this.#fillLock(name).run(async () => {
        const wanted = filling.begun || (await this.#isEmpty(name, filling.subpath));
        if (wanted && (await filling.hasContent())) await this.#fill(name, filling);
      });
    } finally {
      await this.release(name, user);
    }
  }

  /** A subpath that leads nowhere, or out, is what the start will tell of. */
  async #isEmpty(name: string, subpath = '.'): Promise<boolean> {
    try {
      return (await this.addon.lookBeneath(this.mountpoint(name), subpath)) === 'empty';
    } catch (error) {
      const { code } = error as NativeError;
      if (subpath !== '.' && ['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV'].includes(code)) return false;
      throw error;
    }
  }

  /**
   * All or nothing where it can be, so that a daemon killed half-way does not leave a volume that looks as if it were
   * filled. The directory is replaced for that, which must not happen under the eyes of another container.
   */
  async #fill(name: string, filling: Filling): Promise<void> {
    const directory = this.mountpoint(name);
    const mustStay = (): boolean =>
      filling.subpath !== undefined ||
      filling.begun ||
      deviceOf(this.get(name).options) !== undefined ||
      this.users.usersOf(name).length > 1;
    if (mustStay() || !(await this.#replace(name, filling, () => !mustStay()))) {
      filling.begin();
      await filling.populate(directory, `/${filling.subpath ?? ''}`);
    }
  }

  /**
   * @returns false, and nothing is changed, when the directory may not be replaced any more once its content is there
   * @throws Error also when somebody has put something into the volume meanwhile
   */
  async #replace(name: string, filling: Filling, mayReplace: () => boolean): Promise<boolean> {
    const staging = this.#staging(name);
    if (existsSync(staging)) await this.addon.removeTree(staging);
    mkdirSync(staging, { mode: 0o755 });
    let replaced = false;
    try {
      await filling.populate(staging, '/');
      if (mayReplace()) {
        renameSync(staging, this.mountpoint(name));
        replaced = true;
      }
    } finally {
      if (!replaced) await this.addon.removeTree(staging);
    }
    return replaced;
  }

  #fillLock(name: string): Mutex {
    let lock = this.#fillLocks.get(name);
    if (!lock) this.#fillLocks.set(name, (lock = new Mutex()));
    return lock;
  }

  /**
   * Removes directories that no row names and volumes that no container came to own or took along, and unmounts what no
   * container uses. To be called once all users are known.
   */
  async collectGarbage(): Promise<void> {
    for (const { name, kept } of this.list()) if (!kept) await this.removeUnused(name);
    const withDevice = this.list().filter(({ options }) => deviceOf(options));
    await this.#mounts.settle(withDevice.map(({ name }) => this.mountpoint(name)));
    for (const name of readdirSync(join(this.dataRoot, 'volumes'))) {
      if (this.#records.has(name)) {
        await this.#collectStaging(name);
        continue;
      }
      await this.addon.unmountVolume(this.mountpoint(name));
      await this.addon.removeTree(this.#directory(name));
    }
  }

  /** Left by a daemon that was killed while it filled the volume, unless it is being filled again. */
  async #collectStaging(name: string): Promise<void> {
    const staging = this.#staging(name);
    if (existsSync(staging)) await this.#fillLock(name).run(() => this.addon.removeTree(staging));
  }

  #staging(name: string): string {
    return join(this.#directory(name), 'filling');
  }

  #directory(name: string): string {
    return join(this.dataRoot, 'volumes', name);
  }

  #publish(action: string, name: string, attributes: Record<string, string> = {}): void {
    this.events.publish({ type: 'volume', action, actorId: name, attributes: { driver: 'local', ...attributes } });
  }
}

function checkName(name: string): void {
  if (name.length === 1) {
    throw invalid(`create ${name}: volume name is too short, names should be at least two alphanumeric characters`);
  }
  if (name.length > 255)
    throw invalid(`create ${name.slice(0, 32)}…: volume name is too long (255 characters at most)`);
  if (validName.test(name)) return;
  throw invalid(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. ` +
      'If you intended to pass a host directory, use absolute path',
  );
}
