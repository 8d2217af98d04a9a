import { release } from 'node:os';
import { engineVersion } from '../version.js';
import { MAXIMUM_VERSION, MINIMUM_VERSION } from '../http/version.js';
import { buildTime, goArchitecture } from './host.js';

/** GET /version. `docker version` prints the details of the component called Engine. */
export function describeVersion(): Record<string, unknown> {
  const facts = {
    ApiVersion: MAXIMUM_VERSION.toString(),
    MinAPIVersion: MINIMUM_VERSION.toString(),
    GitCommit: '',
    // Clients show it under this name whatever the engine is written in.
    GoVersion: `node ${process.version}`,
    Os: 'linux',
    Arch: goArchitecture,
    KernelVersion: release(),
    BuildTime: buildTime(),
  };
  return {
    Platform: { Name: `Gantry ${engineVersion}` },
    Components: [{ Name: 'Engine', Version: engineVersion, Details: { ...facts, Experimental: 'false' } }],
    Version: engineVersion,
    ...facts,
  };
}
