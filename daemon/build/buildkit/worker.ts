import type { WorkerRecord } from '../../generated/rpc/moby/buildkit/v1/types/WorkerRecord.js';
import { hostPlatform } from '../../images/platform.js';
import { engineVersion } from '../../version.js';

/** What does the building: this engine. */
export function workerRecord(id: string, hostGateways: readonly string[]): WorkerRecord {
  const { architecture, os, variant = '' } = hostPlatform;
  const labels =
    hostGateways.length > 0 ? { 'org.mobyproject.buildkit.worker.moby.host-gateway-ip': hostGateways.join(',') } : {};
  return { id, labels, platforms: [{ architecture, os, variant }], gcPolicy: [], buildkitVersion: buildkitVersion() };
}

/** Clients show the version, and decide nothing by one that is not BuildKit's. */
export function buildkitVersion(): { package: string; version: string; revision: string } {
  return { package: 'gantry', version: `v${engineVersion}`, revision: '' };
}
