import { loadConfiguration, type Configuration } from './configuration.js';
import { FlagError, parseFlags } from './flags.js';
import { helpText } from './help.js';
import type { Config, GivenValues } from './options.js';
import { reloadConfiguration, type Reloaded } from './reload.js';

/** What a command line comes to: text to print and an exit code, or a configuration to run with. */
export type Invocation =
  | { kind: 'exit'; exitCode: number; stdout: string; stderr: string }
  | (Configuration & { kind: 'run'; reload: (running: Config) => Reloaded });

const printed = (stdout: string): Invocation => ({ kind: 'exit', exitCode: 0, stdout, stderr: '' });
const failed = (exitCode: number, stderr: string): Invocation => ({ kind: 'exit', exitCode, stdout: '', stderr });

/**
 * @param argv the arguments after the program's name
 * @param version printed by `--version`
 */
export function readInvocation(argv: readonly string[], version: string): Invocation {
  try {
    const { action, given } = parseFlags(argv);
    if (action === 'help') return printed(helpText());
    if (action === 'version') return printed(`Gantry version ${version}\n`);
    return configure(action === 'validate', given);
  } catch (error) {
    if (error instanceof FlagError) return failed(125, `${error.message}\nSee 'gantryd --help'.\n`);
    throw error;
  }
}

function configure(validateOnly: boolean, flags: GivenValues): Invocation {
  let configuration: Configuration;
  try {
    configuration = loadConfiguration(flags);
  } catch (error) {
    return failed(1, `${(error as Error).message}\n`);
  }
  if (validateOnly) return printed('configuration OK\n');
  return { kind: 'run', ...configuration, reload: (running) => reloadConfiguration(flags, running) };
}
