import { actionFlags } from './flags.js';
import { everyOption, type Option } from './options.js';

const HELP_COLUMN = 36;
const WIDTH = 100;

/** What `gantryd --help` prints. */
export function helpText(): string {
  const lines = [
    '',
    'Usage:  gantryd [OPTIONS]',
    '',
    'A container engine that speaks the Docker Engine API.',
    '',
    'Options:',
  ];
  const flags = everyOption
    .filter(([, option]) => option.flag !== undefined)
    .map(([, option]) => ({ ...option, help: `${option.help}${defaultSuffix(option)}` }));
  for (const { flag = '', short, help, kind } of flags) lines.push(...entry(flag, short, kind.placeholder, help));
  for (const { flag, short, help } of actionFlags) lines.push(...entry(flag, short, '', help));
  lines.push('', 'Keys of the configuration file are those of dockerd. Of Gantry itself:');
  for (const [, option] of everyOption)
    if (option.flag === undefined)
      lines.push(...columns(`      "${option.key}"`, `${option.help}${defaultSuffix(option)}`));
  return `${lines.join('\n')}\n`;
}

function entry(flag: string, short: string | undefined, placeholder: string, help: string): string[] {
  const start = short === undefined ? '      ' : `  -${short}, `;
  return columns(`${start}--${flag}${placeholder === '' ? '' : ` ${placeholder}`}`, help);
}

function columns(left: string, help: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of help.split(' ')) {
    if (line !== '' && HELP_COLUMN + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  lines.push(line);
  const first = left.length < HELP_COLUMN - 1 ? [left.padEnd(HELP_COLUMN) + lines[0]] : [left, indent(lines[0] ?? '')];
  return [...first, ...lines.slice(1).map(indent)];
}

const indent = (line: string): string => ' '.repeat(HELP_COLUMN) + line;

function defaultText(option: Option<unknown>): string {
  if (option.derived !== undefined) return option.derived;
  const shown = option.kind.show(option.default);
  if (shown === '' || shown === '[]' || shown === 'map[]' || shown === 'false') return '';
  return shown;
}

function defaultSuffix(option: Option<unknown>): string {
  const shown = defaultText(option);
  return shown === '' ? '' : ` (default ${shown})`;
}

/** The table of options in the README. */
export function markdownTable(): string {
  const rows = everyOption.map(([, option]) => {
    const flag = option.flag === undefined ? '' : `\`--${option.flag}\`${option.short ? `, \`-${option.short}\`` : ''}`;
    const key = option.key === undefined ? '' : `\`${option.key}\``;
    const shown = defaultText(option);
    const fallback = shown === '' ? '' : option.derived === undefined ? `\`${shown}\`` : shown;
    return `| ${flag} | ${key} | ${fallback} | ${option.reloadable ? 'yes' : ''} | ${option.help} |`;
  });
  const header = ['| Flag | Key in daemon.json | Default | On SIGHUP | |', '| --- | --- | --- | --- | --- |'];
  return [...header, ...rows].join('\n') + '\n';
}
