import { posix } from 'node:path';
import type { Command } from '../dockerfile/arguments.js';
import type { Instruction, InstructionOf, Keyword } from '../dockerfile/instruction.js';
import { parseTrigger } from '../dockerfile/parse.js';
import { ShellWords, type Variables } from '../dockerfile/shell-words.js';
import { invalid } from '../errors.js';
import { parseSignal } from '../signals.js';
import type { ImageConfig } from './image-document.js';

/** Changes a configuration; its lists and maps are replaced, never changed in place. */
type Change<Word extends Keyword> = (config: ImageConfig, instruction: InstructionOf<Word>, words: ShellWords) => void;

/** The instructions that change only an image's configuration, and so can be given to import and commit. */
const changes: { [Word in Keyword]?: Change<Word> } = {
  CMD(config, { command }) {
    config.Cmd = wordsOf(config, command);
  },
  ENTRYPOINT(config, { command }) {
    const words = wordsOf(config, command);
    config.Entrypoint = words.length > 0 ? words : null;
  },
  ENV(config, { pairs }, words) {
    config.Env = pairs.reduce(
      (environment, [name, value]) => withVariable(environment, words.expand(name), words.expand(value)),
      config.Env ?? [],
    );
  },
  LABEL(config, { pairs }, words) {
    const labels = pairs.map(([name, value]): [string, string] => [words.expand(name), words.expand(value)]);
    config.Labels = { ...config.Labels, ...Object.fromEntries(labels) };
  },
  EXPOSE(config, { values }, words) {
    const ports = values.flatMap((value) => words.split(value)).flatMap(expandPorts);
    config.ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) };
  },
  USER(config, { value }, words) {
    config.User = oneWord('USER', value, words);
  },
  VOLUME(config, { values }, words) {
    const paths = values.map((value) => words.expand(value));
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
  },
  WORKDIR(config, { value }, words) {
    const path = words.expand(value);
    if (path === '') throw invalid('WORKDIR requires exactly one argument');
    config.WorkingDir = posix.resolve('/', config.WorkingDir ?? '', path);
  },
  ONBUILD(config, { value }) {
    config.OnBuild = [...(config.OnBuild ?? []), value];
  },
  STOPSIGNAL(config, { value }, words) {
    const signal = oneWord('STOPSIGNAL', value, words);
    parseSignal(signal);
    config.StopSignal = signal;
  },
  SHELL(config, { words }) {
    config.Shell = words;
  },
  HEALTHCHECK(config, { health }) {
    config.Healthcheck = health;
  },
};

/** Whether an instruction changes nothing but the configuration. */
export const isConfigInstruction = ({ keyword }: Instruction): boolean => Object.hasOwn(changes, keyword);

/**
 * Applies one instruction to a configuration.
 *
 * @param variables what it can name besides the environment so far, which wins: the ARGs of a build
 */
export function applyInstruction(
  config: ImageConfig,
  instruction: Instruction,
  { escape = '\\', variables = new Map<string, string>() }: { escape?: string; variables?: Variables } = {},
): ImageConfig {
  const changed = { ...config };
  const change = changes[instruction.keyword] as Change<Keyword>;
  change(changed, instruction, new ShellWords(escape, new Map([...variables, ...environmentOf(config)])));
  return changed;
}

/**
 * Applies the `changes` of import and commit to a configuration: Dockerfile instructions, one per line.
 *
 * @returns a new configuration, and the author if MAINTAINER was among them
 * @throws GantryError invalid, in Docker's words for an instruction that cannot stand here
 */
export function applyChanges(config: ImageConfig, lines: readonly string[]): { config: ImageConfig; author?: string } {
  let changed = config;
  let author: string | undefined;
  for (const instruction of lines.flatMap(parseTrigger)) {
    if (instruction.keyword === 'MAINTAINER') author = instruction.value;
    else if (isConfigInstruction(instruction)) changed = applyInstruction(changed, instruction);
    else throw invalid(`${instruction.keyword} is not a valid change command`);
  }
  return { config: changed, ...(author === undefined ? {} : { author }) };
}

/** The exec form as it is; the shell form with the image's shell before it. */
export function wordsOf(config: ImageConfig, command: Command): string[] {
  if (command.form === 'exec') return command.words;
  return command.line === '' ? [] : [...(config.Shell ?? ['/bin/sh', '-c']), command.line];
}

export function environmentOf(config: ImageConfig): Variables {
  return new Map(
    (config.Env ?? []).map((entry) => {
      const [name = ''] = entry.split('=', 1);
      return [name, entry.slice(name.length + 1)];
    }),
  );
}

function withVariable(environment: readonly string[], name: string, value: string): string[] {
  const index = environment.findIndex((entry) => entry.split('=', 1)[0] === name);
  return index < 0 ? [...environment, `${name}=${value}`] : environment.with(index, `${name}=${value}`);
}

function oneWord(instruction: string, text: string, words: ShellWords): string {
  const [word, ...more] = words.split(text);
  if (word === undefined || more.length > 0) throw invalid(`${instruction} requires exactly one argument`);
  return word;
}

/** "80", "53/udp", "8000-8003/tcp"; an address and a port of the host before it, as of `-p`, mean nothing. */
function expandPorts(text: string): string[] {
  const [, first = '', last = first, protocol = 'tcp'] =
    /^(?:(?:(?:[\d.]+|\[[\da-f:.]+\]):)?[\d-]*:)?(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/.exec(text) ?? [];
  const [start, end] = [Number(first), Number(last)];
  const name = protocol.toLowerCase();
  if (first === '' || start < 1 || end > 65535 || end < start) throw invalid(`invalid containerPort: ${text}`);
  if (!['tcp', 'udp', 'sctp'].includes(name)) throw invalid(`invalid proto: ${protocol}`);
  return Array.from({ length: end - start + 1 }, (_, offset) => `${start + offset}/${name}`);
}
