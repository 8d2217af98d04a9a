import { invalid } from '../errors.js';
import { parseMode } from './bind-specification.js';
import type { Container, ContainerMount } from './container.js';

/**
 * The mounts of the containers that VolumesFrom names, "name[:ro|rw][,z]"; of two at one place the later.
 * @param find by name or id
 * @throws GantryError invalid, also for an absent container: a 404 would be taken for an absent image
 */
export function mountsFrom(
  specifications: readonly string[],
  find: (reference: string) => Container | undefined,
): ContainerMount[] {
  return specifications.flatMap((specification) => {
    if (specification === '') throw invalid('volumes-from specification cannot be an empty string');
    const separator = specification.indexOf(':');
    const reference = separator < 0 ? specification : specification.slice(0, separator);
    const { access } = parseMode(separator < 0 ? '' : specification.slice(separator + 1), ['access', 'label']);
    const container = find(reference);
    if (!container) throw invalid(`No such container: ${reference}`);
    return container.mounts.map((mount) => inherit(mount, access === 'ro'));
  });
}

function inherit(mount: ContainerMount, readOnly: boolean): ContainerMount {
  const readWrite = mount.readWrite && !readOnly;
  // What was read-only in itself stays as deep as it was.
  const recursiveReadOnly = mount.readWrite ? !readWrite : mount.recursiveReadOnly;
  return { ...mount, mode: '', readWrite, recursiveReadOnly, copyUp: false };
}
