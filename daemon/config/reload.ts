import { isDeepStrictEqual } from 'node:util';
import { loadConfiguration } from './configuration.js';
import { everyOption, type Config, type GivenValues } from './options.js';

export interface Reloaded {
  /** The running configuration with the new values of what can be reloaded. */
  config: Config;
  /** Keys of daemon.json whose values changed and now hold. */
  changed: string[];
  /** Keys whose values changed but need a restart; they keep their old value. */
  needRestart: string[];
  warnings: string[];
}

/**
 * Reads the file again, on SIGHUP.
 * @param flags those the daemon was started with; they still hold
 * @throws Error when the new file is not valid; the running configuration then stays as it is
 */
export function reloadConfiguration(flags: GivenValues, running: Config): Reloaded {
  const { config: fresh, warnings } = loadConfiguration(flags);
  const changed: string[] = [];
  const needRestart: string[] = [];
  const config: Record<string, unknown> = { ...running };
  for (const [name, option] of everyOption) {
    if (isDeepStrictEqual(fresh[name], running[name])) continue;
    (option.reloadable ? changed : needRestart).push(option.key ?? name);
    if (option.reloadable) config[name] = fresh[name];
  }
  // A copy of `running` in which only values of the same options were replaced.
  return { config: config as Config, changed, needRestart, warnings };
}
