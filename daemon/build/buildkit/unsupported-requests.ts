import { unsupported } from '../../errors.js';
import type { Definition__Output } from '../../generated/rpc/pb/Definition.js';

/** What clients can ask for at either service, and is not done here. */

/** @throws GantryError for a graph that a front end in the client has made */
export function refuseBuildGraph(definition: Definition__Output | null): void {
  if (definition && definition.def.length > 0) {
    throw unsupported('build graphs (LLB) are not supported by Gantry: build a Dockerfile');
  }
}

/** @throws GantryError unless it is that of Dockerfiles */
export function requireDockerfileFrontend(frontend: string): void {
  if (frontend !== 'dockerfile.v0') throw unsupported(`the front end "${frontend}" is not supported by Gantry`);
}

/** @throws GantryError for any */
export function refuseSourcePolicies(arePresent: boolean): void {
  if (arePresent) throw unsupported('source policies are not supported by Gantry');
}
