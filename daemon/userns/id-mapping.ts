import type { IdMap } from '../runtime/addon.js';
import type { OciIdMapping } from '../containers/spec/oci.js';

export interface Owner {
  uid: number;
  gid: number;
}

/** The maps of an object of the OCI specification. */
export interface OciIdMappings {
  uidMappings: OciIdMapping[];
  gidMappings: OciIdMapping[];
}

/**
 * Which ids of the host those of a container are. Everything below a data root is owned as its mapping says, so that
 * there a container's root is `root` on the disk.
 */
export class IdMapping {
  /** No user namespaces: an id is the same on both sides. */
  static readonly identity = new IdMapping([], []);

  constructor(
    readonly uid: IdMap[],
    readonly gid: IdMap[],
  ) {}

  /** Whether ids differ at all. */
  get shifts(): boolean {
    return this.uid.length > 0;
  }

  /** The ids of a container's root on the host. */
  get root(): Owner {
    return this.toHost({ uid: 0, gid: 0 });
  }

  /** @throws Error for an id that no range holds */
  toHost({ uid, gid }: Owner): Owner {
    return { uid: toHost(this.uid, uid, 'user'), gid: toHost(this.gid, gid, 'group') };
  }

  /** As the OCI specification has it. */
  get oci(): OciIdMappings {
    return { uidMappings: this.uid.map(toOci), gidMappings: this.gid.map(toOci) };
  }

  /** For a mount that shows what is owned as the mapping says by the ids of the container. */
  get inverse(): IdMapping {
    return new IdMapping(this.uid.map(inverted), this.gid.map(inverted));
  }
}

function toHost(ranges: readonly IdMap[], id: number, kind: string): number {
  if (ranges.length === 0) return id;
  const range = ranges.find(({ containerId, size }) => id >= containerId && id < containerId + size);
  if (!range) throw new Error(`${kind} id ${id} is not mapped in the user namespace of containers`);
  return range.hostId + (id - range.containerId);
}

const toOci = ({ containerId, hostId, size }: IdMap): OciIdMapping => ({
  containerID: containerId,
  hostID: hostId,
  size,
});

const inverted = ({ containerId, hostId, size }: IdMap): IdMap => ({ containerId: hostId, hostId: containerId, size });
