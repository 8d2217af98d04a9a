import { chmodSync, chownSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { IdMapping } from '../userns/id-mapping.js';

/** Where the files of containers are; see docs/architecture.md, "Directories". */
export class ContainerDirectories {
  constructor(
    readonly dataRoot: string,
    readonly execRoot: string,
    /** Whose ids the files of containers have here. */
    readonly mapping = IdMapping.identity,
  ) {
    mkdirSync(join(dataRoot, 'containers'), { recursive: true, mode: 0o710 });
    mkdirSync(join(execRoot, 'containers'), { recursive: true, mode: 0o710 });
  }

  /** What survives the container's runs: its writable layer, log, exit record and /etc files. */
  data(id: string, ...parts: string[]): string {
    return join(this.dataRoot, 'containers', id, ...parts);
  }

  /** The OCI bundle of a running container. */
  bundle(id: string, ...parts: string[]): string {
    return join(this.execRoot, 'containers', id, ...parts);
  }

  log(id: string): string {
    return this.data(id, `${id}-json.log`);
  }

  /** Directories without a row are garbage, so these may be made before the row exists. */
  createData(id: string): void {
    mkdirSync(this.data(id), { mode: 0o710 });
    mkdirSync(this.data(id, 'upper'), { mode: 0o755 });
    mkdirSync(this.data(id, 'work'), { mode: 0o700 });
    if (!this.mapping.shifts) return;
    for (const part of ['upper', 'work']) this.giveToRoot(this.data(id, part));
    // Where ids are mapped back, an owner that has no id there could not even be looked below.
    chownSync(this.data(id), 0, this.mapping.root.gid);
  }

  /** Takes out of sight what survives runs, as garbage. @returns where it is now, to be removed */
  discardData(id: string): string {
    const garbage = this.data(`${id}.removed`);
    try {
      renameSync(this.data(id), garbage);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    return garbage;
  }

  /** Gives a file or directory to the root of containers. */
  giveToRoot(path: string): void {
    const { uid, gid } = this.mapping.root;
    if (this.mapping.shifts) chownSync(path, uid, gid);
  }

  createBundle(id: string): void {
    mkdirSync(this.bundle(id, 'rootfs'), { recursive: true, mode: 0o700 });
  }

  /** Lets the root of containers look up the root file system in a bundle: other OCI runtimes do that as such. */
  openBundle(id: string): void {
    if (!this.mapping.shifts) return;
    for (const directory of [join(this.execRoot, 'containers'), this.bundle(id)]) {
      chownSync(directory, 0, this.mapping.root.gid);
      chmodSync(directory, 0o710);
    }
  }
}
