import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { unsupported } from '../errors.js';
import type { Addon } from '../runtime/addon.js';
import type { HostConfig } from './container.js';
import { parseSecurityOptions } from './spec/security.js';

/** Compiled seccomp filters: one file for each profile and set of capabilities, compiled the first time it is needed. */
export class SeccompFilters {
  /** By profile, then by capabilities. */
  readonly #compiled = new Map<string, Map<string, Promise<string>>>();

  constructor(
    readonly addon: Addon,
    readonly directory: string,
    /** Text of the profile for containers that name none; "unconfined" for none at all. */
    readonly defaultProfile: string,
  ) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** The filter's file, or undefined for a container that has none. */
  async filterFor(hostConfig: HostConfig, capabilities: string[]): Promise<string | undefined> {
    const profile = this.#profile(hostConfig);
    if (profile === undefined) return undefined;
    let ofProfile = this.#compiled.get(profile);
    if (!ofProfile) this.#compiled.set(profile, (ofProfile = new Map<string, Promise<string>>()));
    const key = capabilities.join();
    let filter = ofProfile.get(key);
    if (!filter) {
      filter = this.#compile(profile, capabilities);
      ofProfile.set(key, filter);
      filter.catch(() => ofProfile.delete(key));
    }
    return filter;
  }

  /** For other OCI runtimes, which compile it themselves. Docker's own format is not theirs. */
  ociProfile(hostConfig: HostConfig, _capabilities: string[]): unknown {
    const profile = this.#profile(hostConfig);
    if (profile === undefined || profile === this.defaultProfile) return undefined;
    throw unsupported("a custom seccomp profile is not supported with another runtime than Gantry's own");
  }

  #profile(hostConfig: HostConfig): string | undefined {
    if (hostConfig.Privileged) return undefined;
    const { seccomp } = parseSecurityOptions(hostConfig.SecurityOpt);
    const profile = seccomp === 'default' ? this.defaultProfile : seccomp;
    return profile === 'unconfined' ? undefined : profile;
  }

  async #compile(profile: string, capabilities: string[]): Promise<string> {
    const name = createHash('sha256').update(profile).update('\0').update(capabilities.join()).digest('hex');
    const path = join(this.directory, `${name}.bpf`);
    if (!existsSync(path)) await this.addon.compileSeccomp(profile, capabilities, path);
    return path;
  }
}
