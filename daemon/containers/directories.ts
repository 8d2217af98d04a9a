import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Where the files of containers are; see docs/architecture.md, "Directories". */
export class ContainerDirectories {
  constructor(
    readonly dataRoot: string,
    readonly execRoot: string,
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
  }

  createBundle(id: string): void {
    mkdirSync(this.bundle(id, 'rootfs'), { recursive: true, mode: 0o700 });
  }
}
