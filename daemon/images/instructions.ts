import { posix } from 'node:path';
import { invalid } from '../errors.js';
import { parseDuration } from '../http/time.js';
import type { HealthConfig, ImageConfig } from './image-document.js';
import { isStringArray } from './json-document.js';
import { expandText, splitWords, type Variables } from './instruction-words.js';

type Instruction = (config: ImageConfig, rest: string) => void;

/** The Dockerfile instructions that change only an image's configuration, and so can be given to import and commit. */
const instructions: Readonly<Record<string, Instruction>> = {
  CMD(config, rest) {
    config.Cmd = command(config, rest);
  },
  ENTRYPOINT(config, rest) {
    const given = command(config, rest);
    config.Entrypoint = given.length > 0 ? given : null;
  },
  ENV(config, rest) {
    config.Env = [...(config.Env ?? [])];
    for (const [name, value] of pairs('ENV', rest, variablesOf(config))) setVariable(config.Env, name, value);
  },
  LABEL(config, rest) {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairs('LABEL', rest, variablesOf(config))) };
  },
  EXPOSE(config, rest) {
    const ports = splitWords(rest, variablesOf(config)).flatMap(expandPorts);
    if (ports.length === 0) throw invalid('EXPOSE requires at least one argument');
    config.ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) };
  },
  USER(config, rest) {
    config.User = oneWord('USER', rest, config);
  },
  VOLUME(config, rest) {
    const paths = jsonForm(rest) ?? splitWords(rest, variablesOf(config));
    if (paths.length === 0 || paths.includes('')) throw invalid('VOLUME specified can not be an empty string');
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
  },
  WORKDIR(config, rest) {
    const path = expandText(rest, variablesOf(config));
    if (path === '') throw invalid('WORKDIR requires exactly one argument');
    config.WorkingDir = posix.resolve('/', config.WorkingDir ?? '', path);
  },
  ONBUILD(config, rest) {
    const trigger = /^[a-z]+/i.exec(rest)?.[0].toUpperCase();
    if (trigger === undefined) throw invalid('ONBUILD requires at least one argument');
    if (trigger === 'ONBUILD') throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger === 'FROM' || trigger === 'MAINTAINER') throw invalid(`${trigger} isn't allowed as an ONBUILD trigger`);
    config.OnBuild = [...(config.OnBuild ?? []), rest];
  },
  STOPSIGNAL(config, rest) {
    const signal = oneWord('STOPSIGNAL', rest, config);
    if (!/^(?:SIG)?[A-Z0-9+-]+$/i.test(signal)) throw invalid(`invalid signal: ${signal}`);
    config.StopSignal = signal;
  },
  SHELL(config, rest) {
    const shell = jsonForm(rest);
    if (!shell || shell.length === 0) throw invalid('SHELL requires the arguments to be in JSON form');
    config.Shell = shell;
  },
  HEALTHCHECK(config, rest) {
    config.Healthcheck = healthcheck(rest);
  },
};

/**
 * Applies `changes` of import and commit to a configuration: Dockerfile instructions, one per line.
 *
 * @returns a new configuration, and the author if MAINTAINER was among them
 * @throws GantryError invalid, in Docker's words for an instruction that cannot stand here
 */
export function applyChanges(
  config: ImageConfig,
  changes: readonly string[],
): { config: ImageConfig; author?: string } {
  const changed = { ...config };
  let author: string | undefined;
  for (const line of changes.flatMap((change) => change.split(/(?<!\\)\r?\n/))) {
    const text = line.replaceAll(/\\\r?\n/g, '').trim();
    if (text === '' || text.startsWith('#')) continue;
    const [, keyword = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
    const name = keyword.toUpperCase();
    if (name === 'MAINTAINER') author = rest;
    else if (!Object.hasOwn(instructions, name)) throw invalid(`${name} is not a valid change command`);
    else instructions[name]?.(changed, rest);
  }
  return { config: changed, ...(author === undefined ? {} : { author }) };
}

/** The exec form, a JSON list, or the shell form, which the image's shell runs. */
function command(config: ImageConfig, rest: string): string[] {
  if (rest === '') return [];
  return jsonForm(rest) ?? [...(config.Shell ?? ['/bin/sh', '-c']), rest];
}

function jsonForm(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isStringArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `name=value name2="value 2"`, or the older `name the rest`. */
function pairs(instruction: string, rest: string, variables: Variables): [string, string][] {
  const first = /^\S+/.exec(rest)?.[0];
  if (first === undefined) throw invalid(`${instruction} requires at least one argument`);
  if (!first.includes('=')) {
    const value = rest.slice(first.length).trim();
    if (value === '') throw invalid(`${instruction} must have two arguments`);
    return [[first, expandText(value, variables)]];
  }
  return splitWords(rest, variables).map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) throw invalid(`Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    if (equals === 0) throw invalid(`${instruction} names can not be blank`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function setVariable(environment: string[], name: string, value: string): void {
  const index = environment.findIndex((entry) => entry.split('=', 1)[0] === name);
  if (index < 0) environment.push(`${name}=${value}`);
  else environment[index] = `${name}=${value}`;
}

function variablesOf(config: ImageConfig): Variables {
  return new Map(
    (config.Env ?? []).map((entry) => {
      const [name = ''] = entry.split('=', 1);
      return [name, entry.slice(name.length + 1)];
    }),
  );
}

function oneWord(instruction: string, rest: string, config: ImageConfig): string {
  const [word, ...more] = splitWords(rest, variablesOf(config));
  if (word === undefined || more.length > 0) throw invalid(`${instruction} requires exactly one argument`);
  return word;
}

/** "80", "53/udp", "8000-8003/tcp" */
function expandPorts(text: string): string[] {
  const [, first = '', last = first, protocol = 'tcp'] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/.exec(text) ?? [];
  const [start, end] = [Number(first), Number(last)];
  const name = protocol.toLowerCase();
  if (first === '' || start < 1 || end > 65535 || end < start) throw invalid(`invalid containerPort: ${text}`);
  if (!['tcp', 'udp', 'sctp'].includes(name)) throw invalid(`invalid proto: ${protocol}`);
  return Array.from({ length: end - start + 1 }, (_, offset) => `${start + offset}/${name}`);
}

const healthDurations: Readonly<Record<string, 'Interval' | 'Timeout' | 'StartPeriod' | 'StartInterval'>> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
};

function nanoseconds(duration: string): number {
  const value = parseDuration(duration);
  if (value === undefined || value < 0n) throw invalid(`time: invalid duration "${duration}"`);
  return Number(value);
}

function healthcheck(text: string): HealthConfig {
  const health: HealthConfig = {};
  let rest = text;
  for (let flag; (flag = /^--([a-z-]+)=(\S+)\s*/.exec(rest)); rest = rest.slice(flag[0].length)) {
    const [, name = '', value = ''] = flag;
    const duration = healthDurations[name];
    if (duration) health[duration] = nanoseconds(value);
    else if (name === 'retries' && /^\d+$/.test(value)) health.Retries = Number(value);
    else throw invalid(`Unknown flag or value: --${name}=${value}`);
  }
  const [, kind = '', argument = ''] = /^(\S+)\s*([\s\S]*)$/.exec(rest) ?? [];
  if (kind.toUpperCase() === 'NONE') {
    if (argument !== '' || Object.keys(health).length > 0) throw invalid('HEALTHCHECK NONE takes no arguments');
    return { Test: ['NONE'] };
  }
  if (kind.toUpperCase() !== 'CMD') throw invalid(`Unknown type "${kind}" in HEALTHCHECK (try CMD)`);
  if (argument === '') throw invalid('Missing command after HEALTHCHECK CMD');
  const exec = jsonForm(argument);
  return { ...health, Test: exec ? ['CMD', ...exec] : ['CMD-SHELL', argument] };
}
