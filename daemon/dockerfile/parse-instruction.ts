import { GantryError, invalid } from '../errors.js';
import { jsonWords, parseCommand, parseList, parsePairs, quotedWords } from './arguments.js';
import { DockerfileError } from './dockerfile-error.js';
import { FlagReader, splitFlags } from './flags.js';
import { parseHealthcheck } from './healthcheck.js';
import type { Copied, Instruction } from './instruction.js';
import type { LogicalLine } from './lines.js';
import { parseMount } from './mount.js';
import { nearest } from '../suggestion.js';

/** An instruction without what every one has. */
type Parsed = Instruction extends infer One
  ? One extends Instruction
    ? Omit<One, 'location' | 'text' | 'comments'>
    : never
  : never;

interface Source {
  keyword: string;
  /** The arguments without flags. */
  rest: string;
  flags: FlagReader;
  heredocs: LogicalLine['heredocs'];
  escape: string;
}

const parsers: Readonly<Record<string, (source: Source) => Parsed>> = {
  FROM: parseFrom,
  ARG: parseArg,
  ENV: ({ rest, escape }) => ({ keyword: 'ENV', pairs: parsePairs('ENV', rest, escape) }),
  LABEL: ({ rest, escape }) => ({ keyword: 'LABEL', pairs: parsePairs('LABEL', rest, escape) }),
  WORKDIR: ({ rest }) => ({ keyword: 'WORKDIR', value: required('WORKDIR', rest) }),
  USER: ({ rest }) => ({ keyword: 'USER', value: required('USER', rest) }),
  STOPSIGNAL: ({ rest }) => ({ keyword: 'STOPSIGNAL', value: required('STOPSIGNAL', rest) }),
  MAINTAINER: ({ rest }) => ({ keyword: 'MAINTAINER', value: required('MAINTAINER', rest) }),
  ONBUILD: parseOnbuild,
  EXPOSE: ({ rest }) => ({ keyword: 'EXPOSE', values: atLeastOne('EXPOSE', parseList(rest)) }),
  VOLUME: parseVolume,
  SHELL: parseShell,
  CMD: ({ rest }) => ({ keyword: 'CMD', command: parseCommand(rest) }),
  ENTRYPOINT: ({ rest }) => ({ keyword: 'ENTRYPOINT', command: parseCommand(rest) }),
  HEALTHCHECK: ({ flags, rest }) => ({ keyword: 'HEALTHCHECK', health: parseHealthcheck(flags, rest) }),
  COPY: parseCopy,
  ADD: parseAdd,
  RUN: parseRun,
};

/**
 * Reads one instruction.
 *
 * @throws DockerfileError naming the line and what was expected
 */
export function parseInstruction(line: LogicalLine, escape: string): Instruction {
  try {
    const { location, text, comments } = line;
    return { ...parse(line, escape), location, text, ...(comments.length > 0 && { comments }) };
  } catch (error) {
    if (error instanceof GantryError) throw new DockerfileError(error.message, line.location);
    throw error;
  }
}

function parse({ text, heredocs }: LogicalLine, escape: string): Parsed {
  const [, word = '', argumentText = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  const keyword = word.toUpperCase();
  const parser = Object.hasOwn(parsers, keyword) ? parsers[keyword] : undefined;
  if (!parser) throw invalid(`unknown instruction: ${word}${suggestion(keyword)}`);
  const split = splitFlags(argumentText, escape);
  // What ONBUILD keeps has flags of its own.
  const flags = keyword === 'ONBUILD' ? { given: [], rest: argumentText } : split;
  const reader = new FlagReader(keyword, flags);
  const parsed = parser({ keyword, rest: flags.rest.trimEnd(), flags: reader, heredocs, escape });
  reader.finish();
  return parsed;
}

function suggestion(keyword: string): string {
  const near = nearest(
    keyword,
    Object.keys(parsers).map((known) => known.toLowerCase()),
  );
  return near ? ` (did you mean ${near.toUpperCase()}?)` : '';
}

function required(keyword: string, text: string): string {
  if (text === '') throw invalid(`${keyword} requires exactly one argument`);
  return text;
}

function atLeastOne(keyword: string, words: string[]): string[] {
  if (words.length === 0) throw invalid(`${keyword} requires at least one argument`);
  return words;
}

function parseFrom({ rest, flags }: Source): Parsed {
  const platform = flags.value('platform');
  const [image, as, stage, more] = rest.split(/\s+/);
  const isNamed = as?.toUpperCase() === 'AS' && stage !== undefined && more === undefined;
  if (!image || (as !== undefined && !isNamed)) {
    throw invalid('FROM requires either one or three arguments: FROM image [AS name]');
  }
  if (stage !== undefined && !/^[a-z][a-z0-9_.-]*$/i.test(stage)) {
    throw invalid(`invalid name for build stage: "${stage}", name can't start with a number or contain symbols`);
  }
  return {
    keyword: 'FROM',
    image,
    ...(stage !== undefined && { stage: stage.toLowerCase() }),
    ...(platform !== undefined && { platform }),
  };
}

function parseArg({ rest, escape }: Source): Parsed {
  const variables = atLeastOne('ARG', quotedWords(rest, escape)).map((word) => {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    if (name === '') throw invalid('ARG names can not be blank');
    return equals < 0 ? { name } : { name, value: word.slice(equals + 1) };
  });
  return { keyword: 'ARG', variables };
}

function parseOnbuild({ rest }: Source): Parsed {
  const trigger = /^[a-z]+/i.exec(rest)?.[0].toUpperCase();
  if (trigger === undefined) throw invalid('ONBUILD requires at least one argument');
  if (trigger === 'ONBUILD') throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === 'FROM' || trigger === 'MAINTAINER') throw invalid(`${trigger} isn't allowed as an ONBUILD trigger`);
  return { keyword: 'ONBUILD', value: rest };
}

function parseVolume({ rest }: Source): Parsed {
  const values = atLeastOne('VOLUME', parseList(rest));
  if (values.includes('')) throw invalid('VOLUME specified can not be an empty string');
  return { keyword: 'VOLUME', values };
}

function parseShell({ rest }: Source): Parsed {
  const words = jsonWords(rest);
  if (!words || words.length === 0) throw invalid('SHELL requires the arguments to be in JSON form');
  return { keyword: 'SHELL', words };
}

function parseCopied({ keyword, rest, flags, heredocs }: Source): Copied {
  const words = parseList(rest);
  const destination = words.pop();
  if (destination === undefined || words.length === 0) {
    throw invalid(
      `${keyword} requires at least two arguments, but ${destination === undefined ? 0 : 1} were provided. Destination could not be determined`,
    );
  }
  const [chown, chmod] = [flags.value('chown'), flags.value('chmod')];
  return {
    sources: words.filter((word) => !heredocs.some(({ name }) => isMarkerOf(word, name))),
    destination,
    ...(chown !== undefined && { chown }),
    ...(chmod !== undefined && { chmod }),
    link: flags.boolean('link'),
    exclude: flags.values('exclude'),
    heredocs,
  };
}

const isMarkerOf = (word: string, name: string): boolean =>
  /^\d*<<-?/.test(word) && word.replace(/^\d*<<-?/, '').replaceAll(/["'\\]/g, '') === name;

function parseCopy(source: Source): Parsed {
  const from = source.flags.value('from');
  if (from?.includes('$')) {
    throw invalid(
      'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround',
    );
  }
  const parents = source.flags.boolean('parents');
  return { keyword: 'COPY', ...(from !== undefined && { from }), parents, ...parseCopied(source) };
}

function parseAdd(source: Source): Parsed {
  const { flags } = source;
  const checksum = flags.value('checksum');
  const keepGitDirectory = flags.boolean('keep-git-dir');
  const hasUnpack = flags.flags.given.some(({ name }) => name === 'unpack');
  const unpack = flags.boolean('unpack');
  return {
    keyword: 'ADD',
    keepGitDirectory,
    ...(checksum !== undefined && { checksum }),
    ...(hasUnpack && { unpack }),
    ...parseCopied(source),
  };
}

function parseRun({ rest, flags, heredocs }: Source): Parsed {
  const network = flags.value('network') ?? 'default';
  if (network !== 'default' && network !== 'none' && network !== 'host') {
    throw invalid(`invalid network mode: "${network}": use default, none or host`);
  }
  const security = flags.value('security') ?? 'sandbox';
  if (security !== 'sandbox' && security !== 'insecure') {
    throw invalid(`security "${security}" is not valid: use sandbox or insecure`);
  }
  const mounts = flags.values('mount').map(parseMount);
  if (rest === '') throw invalid('RUN requires at least one argument');
  return { keyword: 'RUN', command: parseCommand(rest), heredocs, mounts, network, security };
}
