import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Shims } from '../runtime/shims.js';
import { within } from './within.js';

/** Milliseconds that a shim may take to answer; one that does not counts as there. */
const patience = 1000;

/**
 * Refuses to work beside containers that an earlier daemon with this exec root, and with another data root, has left running:
 * their rows are in its database, so to this one they would be garbage.
 *
 * @throws Error naming both data roots
 */
export async function refuseContainersOfAnotherDataRoot(
  { execRoot, dataRoot }: { execRoot: string; dataRoot: string },
  shims: Shims,
): Promise<void> {
  const containers = join(execRoot, 'containers');
  const own = realpathSync(join(dataRoot, 'containers'));
  for (const id of existsSync(containers) ? readdirSync(containers) : []) {
    const bundle = join(containers, id);
    const home = homeOf(bundle);
    if (home === undefined || home === own || !(await isAlive(bundle, shims))) continue;
    throw new Error(
      `container ${id.slice(0, 12)} runs and belongs to the data root ${dirname(home)}, but the configuration says ` +
        `${dataRoot} (data-root, userns-remap): stop its containers with the former configuration, or use another exec-root`,
    );
  }
}

/** The directory of containers that the shim of a bundle keeps its records in. */
function homeOf(bundle: string): string | undefined {
  try {
    const { stateDirectory } = JSON.parse(readFileSync(join(bundle, 'shim.json'), 'utf8')) as {
      stateDirectory: string;
    };
    const home = dirname(stateDirectory);
    return existsSync(home) ? realpathSync(home) : home;
  } catch {
    return undefined; // a start that was cut off
  }
}

async function isAlive(bundle: string, shims: Shims): Promise<boolean> {
  if (!existsSync(join(bundle, 'shim.sock'))) return false;
  const connecting = shims.connect(bundle).then(
    (client) => {
      client.close();
      return true;
    },
    () => false,
  );
  const answered = await within(connecting, patience);
  return answered ? connecting : true;
}
