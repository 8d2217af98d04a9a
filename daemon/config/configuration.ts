import { accessSync, constants } from 'node:fs';
import { ConfigFileError, readConfigFile } from './file.js';
import { parseListenAddress } from './listen-address.js';
import { everyOption, options, type Config, type GivenValues, type OptionName } from './options.js';
import { BUILT_IN_RUNTIME, byteSize } from './value-syntax.js';

export interface Configuration {
  config: Config;
  /** What the administrator should know although it is no error. */
  warnings: string[];
}

/**
 * Flags, then daemon.json, then defaults; checked one by one and against each other.
 * @throws Error whose message is meant for the administrator
 */
export function loadConfiguration(flags: GivenValues): Configuration {
  const path = (flags.configFile as string | undefined) ?? options.configFile.default;
  const file = readConfigFile(path, flags.configFile !== undefined);
  const conflicts = findConflicts(flags, file);
  if (conflicts.length > 0)
    throw new ConfigFileError(
      path,
      `the following directives are specified both as a flag and in the configuration file: ${conflicts.join(', ')}`,
    );
  const config = complete(merge(flags, file));
  checkTogether(config);
  return { config, warnings: warnings(config) };
}

function findConflicts(flags: GivenValues, file: GivenValues): string[] {
  const conflicts: string[] = [];
  for (const [name, option] of everyOption) {
    if (option.mergeable || !(name in flags) || !(name in file)) continue;
    const { kind } = option;
    conflicts.push(`${option.key}: (from flag: ${kind.show(flags[name])}, from file: ${kind.show(file[name])})`);
  }
  return conflicts;
}

function merge(flags: GivenValues, file: GivenValues): Config {
  const config: Partial<Record<OptionName, unknown>> = {};
  for (const [name, option] of everyOption) {
    if (option.mergeable) config[name] = { ...(file[name] as object), ...(flags[name] as object) };
    else config[name] = flags[name] ?? file[name] ?? structuredClone(option.default);
  }
  // Every option of the table was visited, each with a value of its own kind.
  return config as Config;
}

/** Fills in what follows from something else. */
function complete(config: Config): Config {
  if (config.hosts.length === 0) config.hosts = [...options.hosts.default];
  config.tls ||= config.tlsVerify;
  config.httpProxy ||= config.proxies['http-proxy'] ?? '';
  config.httpsProxy ||= config.proxies['https-proxy'] ?? '';
  config.noProxy ||= config.proxies['no-proxy'] ?? '';
  if (config.debug) config.logLevel = 'debug';
  if (config.nftablesTable === '') config.nftablesTable = tableOf(config.bridge);
  return config;
}

/** Two engines on one host have bridges of different names; so have their tables. */
function tableOf(bridge: string): string {
  return bridge === options.bridge.default ? 'gantry' : `gantry_${bridge.replaceAll(/[^A-Za-z0-9_.-]/g, '_')}`;
}

function checkTogether(config: Config): void {
  checkLabels(config.labels);
  checkLogOptions(config.logDriver, config.logOpts);
  if (config.defaultRuntime !== BUILT_IN_RUNTIME && !Object.hasOwn(config.runtimes, config.defaultRuntime))
    throw new Error(`specified default runtime '${config.defaultRuntime}' does not exist`);
  if (config.dataRoot === config.execRoot) throw new Error('data-root and exec-root must be different directories');
  if (config.tls) checkTls(config);
}

function checkLabels(labels: string[]): void {
  const seen = new Map<string, string>();
  for (const label of labels) {
    const key = label.slice(0, label.indexOf('='));
    const earlier = seen.get(key);
    if (earlier !== undefined && earlier !== label) throw new Error(`conflict labels for ${label} and ${earlier}`);
    seen.set(key, label);
  }
}

function checkLogOptions(driver: string, logOptions: Record<string, string>): void {
  for (const [name, value] of Object.entries(logOptions)) {
    if (driver !== 'json-file' || (name !== 'max-size' && name !== 'max-file'))
      throw new Error(`unknown log opt '${name}' for ${driver} log driver`);
    if (name === 'max-size' && value !== '-1') byteSize(value);
    if (name === 'max-file' && !/^[1-9]\d{0,8}$/.test(value))
      throw new Error(`invalid value for log opt max-file: '${value}'`);
  }
  if (Number(logOptions['max-file'] ?? '1') > 1 && (logOptions['max-size'] ?? '-1') === '-1')
    throw new Error('log opt max-file needs max-size: without it there is only ever one file');
}

function checkTls(config: Config): void {
  const files = [config.tlsCertificate, config.tlsKey, ...(config.tlsVerify ? [config.tlsCaCertificate] : [])];
  for (const file of files) {
    try {
      accessSync(file, constants.R_OK);
    } catch (error) {
      throw new Error(`invalid TLS configuration: ${(error as Error).message}`, { cause: error });
    }
  }
}

function warnings(config: Config): string[] {
  if (config.tlsVerify) return [];
  return config.hosts
    .filter((host) => parseListenAddress(host).kind === 'tcp')
    .map((host) => `${host} is not protected by --tlsverify: whoever can reach it is root on this machine`);
}
