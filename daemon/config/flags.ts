import { everyOption, type GivenValues, type Option, type OptionName } from './options.js';
import { refusedFlag } from './refused-options.js';
import { nearest } from '../suggestion.js';

/** What the daemon is asked to do instead of running. */
export type Action = 'run' | 'validate' | 'version' | 'help';

export interface CommandLine {
  action: Action;
  given: GivenValues;
}

/** A command line that cannot be understood; dockerd ends with 125 for these. */
export class FlagError extends Error {}

/** Flags that are about the invocation and not about the daemon. */
export const actionFlags = [
  { flag: 'validate', short: undefined, action: 'validate', help: 'Check the configuration and exit' },
  { flag: 'version', short: 'v', action: 'version', help: 'Print the version and exit' },
  { flag: 'help', short: 'h', action: 'help', help: 'Print this text and exit' },
] as const;

type Flag = { name: OptionName; option: Option<unknown> } | { action: Action };

const byFlag = new Map<string, Flag>();
const byShort = new Map<string, string>();
for (const [name, option] of everyOption) {
  if (option.flag === undefined) continue;
  byFlag.set(option.flag, { name, option });
  if (option.short !== undefined) byShort.set(option.short, option.flag);
}
for (const { flag, short, action } of actionFlags) {
  byFlag.set(flag, { action });
  if (short !== undefined) byShort.set(short, flag);
}

/**
 * Reads the arguments after the program's name: `--flag value`, `--flag=value`, `-f value`, `-fvalue`, `-f=value`,
 * switches without a value or with `=false`, several short switches in one argument.
 * @throws FlagError
 */
export function parseFlags(argv: readonly string[]): CommandLine {
  const commandLine: CommandLine = { action: 'run', given: {} };
  const rest = [...argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument.startsWith('--') && argument.length > 2) parseLong(argument.slice(2), rest, commandLine);
    else if (argument.startsWith('-') && argument.length > 1 && argument !== '--')
      parseShort(argument.slice(1), rest, commandLine);
    else throw new FlagError(`gantryd accepts no arguments, got "${argument}"`);
  }
  return commandLine;
}

function parseLong(argument: string, rest: string[], commandLine: CommandLine): void {
  const equals = argument.indexOf('=');
  const name = equals < 0 ? argument : argument.slice(0, equals);
  const flag = byFlag.get(name);
  if (!flag) throw new FlagError(unknownFlag(name));
  const inline = equals < 0 ? undefined : argument.slice(equals + 1);
  take(flag, `--${name}`, inline, rest, commandLine);
}

function parseShort(letters: string, rest: string[], commandLine: CommandLine): void {
  for (let index = 0; index < letters.length; index++) {
    const letter = letters.charAt(index);
    const name = byShort.get(letter);
    const flag = name === undefined ? undefined : byFlag.get(name);
    if (!flag) throw new FlagError(`unknown shorthand flag: '${letter}' in -${letters}`);
    const tail = letters.slice(index + 1);
    const display = `-${letter}, --${name}`;
    if (isSwitch(flag) && !tail.startsWith('=')) {
      take(flag, display, undefined, rest, commandLine);
      continue;
    }
    take(flag, display, tail === '' ? undefined : tail.replace(/^=/, ''), rest, commandLine);
    return;
  }
}

const isSwitch = (flag: Flag): boolean => 'action' in flag || flag.option.kind.placeholder === '';

function take(flag: Flag, display: string, inline: string | undefined, rest: string[], line: CommandLine): void {
  const value = inline ?? (isSwitch(flag) ? 'true' : rest.shift());
  if (value === undefined) throw new FlagError(`flag needs an argument: ${display}`);
  if ('action' in flag) {
    if (value !== 'true' && value !== 'false')
      throw new FlagError(`invalid argument "${value}" for "${display}" flag: expected true or false`);
    // Of several, the one that does least wins, and asking for help is never an error.
    if (value === 'true' && line.action !== 'help') line.action = flag.action;
    return;
  }
  try {
    line.given[flag.name] = flag.option.kind.fromFlag(value, line.given[flag.name]);
  } catch (error) {
    throw new FlagError(`invalid argument "${value}" for "${display}" flag: ${(error as Error).message}`);
  }
}

function unknownFlag(name: string): string {
  const reason = refusedFlag(name);
  if (reason !== undefined) return `--${name} is not supported: ${reason}`;
  const meant = nearest(name, [...byFlag.keys()]);
  return `unknown flag: --${name}${meant === undefined ? '' : `, did you mean --${meant}?`}`;
}
