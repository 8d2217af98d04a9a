import type { ApiVersion } from '../http/version.js';
import type { EngineInfo } from './info.js';

/** GET /info as clients of a version know it: what newer versions have dropped, and nothing that they have brought. */
export function infoForVersion(info: EngineInfo, version: ApiVersion): Record<string, unknown> {
  const { FirewallBackend, RegistryConfig, RuncCommit, ...rest } = info;
  const before = (next: `1.${number}`, members: object): object => (version.atLeast(next) ? {} : members);
  return {
    ...rest,
    ...before('1.25', { SecurityOptions: info.SecurityOptions.map(nameOfOption) }),
    // There is no limit of kernel memory, and bridged packets are not passed to iptables on our account.
    ...before('1.42', { KernelMemory: false }),
    ...before('1.50', { BridgeNfIptables: false, BridgeNfIp6tables: false }),
    ...(version.atLeast('1.49') ? { FirewallBackend } : {}),
    RegistryConfig: {
      ...RegistryConfig,
      ...before('1.47', { AllowNondistributableArtifactsCIDRs: null, AllowNondistributableArtifactsHostnames: null }),
    },
    RuncCommit: { ...RuncCommit, ...before('1.49', { Expected: '' }) },
  };
}

/** "name=seccomp,profile=builtin" was "seccomp". */
const nameOfOption = (option: string): string => /^name=([^,]+)/.exec(option)?.[1] ?? option;
