import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** The top directories of every hierarchy: the v2 one, or v1's controllers and the hybrid's v2. */
function hierarchies(): string[] {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return [ROOT];
  return readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(ROOT, entry.name));
}

/** Every directory below `parent`, in every hierarchy; deepest last. */
export function cgroupDirectories(parent: string): string[] {
  return hierarchies().flatMap((hierarchy) => below(join(hierarchy, parent)));
}

/** Removes the empty directories of `parent`, and `parent` itself. */
export async function removeCgroups(parent: string): Promise<void> {
  const tops = hierarchies().map((hierarchy) => join(hierarchy, parent));
  for (const directory of [...tops, ...cgroupDirectories(parent)].reverse()) {
    for (let attempt = 0; attempt < 100 && existsSync(directory); attempt++) {
      try {
        rmdirSync(directory);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }
}

function below(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => [join(directory, entry.name), ...below(join(directory, entry.name))]);
}
