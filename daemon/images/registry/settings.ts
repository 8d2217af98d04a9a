import type { Config } from '../../config/options.js';

/** How long to wait for what; see `defaultTimings`. */
export interface Timings {
  /** To establish a connection, in milliseconds. */
  connect: number;
  /** For an answer to begin, and between two pieces of it: after that a transfer counts as broken. */
  silence: number;
  /** For an answer to what was uploaded: a registry may have to move it from one place to another first. */
  storing: number;
  /** How long to wait before trying again after `failures` of them. */
  backOff: (failures: number) => number;
  /** The longest `Retry-After` that is obeyed; a registry that asks for more has failed. */
  longestRetryAfter: number;
}

/** What is set about registries; read anew for each operation, because most of it can be reloaded. */
export interface RegistrySettings {
  mirrors: readonly string[];
  insecure: readonly string[];
  httpProxy: string;
  httpsProxy: string;
  noProxy: string;
  maxDownloads: number;
  maxUploads: number;
  maxAttempts: number;
  /** Directories of certificates, `<directory>/<host>[:port]/`, the first that has the host counts. */
  certificates: readonly string[];
}

export const defaultTimings: Timings = {
  connect: 30_000,
  silence: 60_000,
  storing: 600_000,
  // 1, 2, 4, 8 seconds and so on, so that a registry that restarts is found again but not besieged.
  backOff: (failures) => Math.min(1000 * 2 ** (failures - 1), 30_000),
  longestRetryAfter: 60_000,
};

/** The part of the configuration that is about registries. The environment's proxies count where none are configured. */
export function registrySettings(config: Config, certificates: readonly string[]): RegistrySettings {
  const environment = (name: string): string => process.env[name] || process.env[name.toLowerCase()] || '';
  return {
    mirrors: config.registryMirrors,
    insecure: config.insecureRegistries,
    httpProxy: config.httpProxy || environment('HTTP_PROXY'),
    httpsProxy: config.httpsProxy || environment('HTTPS_PROXY'),
    noProxy: config.noProxy || environment('NO_PROXY'),
    maxDownloads: config.maxConcurrentDownloads,
    maxUploads: config.maxConcurrentUploads,
    maxAttempts: config.maxDownloadAttempts,
    certificates,
  };
}
