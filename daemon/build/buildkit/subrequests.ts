import { descriptions, urlOf } from '../../dockerfile/check-rules.js';
import type { Violation } from '../../dockerfile/checks.js';
import type { Location } from '../../dockerfile/dockerfile-error.js';
import type { OutlinedMount } from '../../dockerfile/outline.js';
import { unsupported } from '../../errors.js';
import { violationError } from '../build-checks.js';
import { LocatedFailure, reasonOf, type ShownSource } from './failure.js';
import type { PendingResult } from './pending-result.js';

/** What a front end tells beside, or in the place of, a result. */
type Metadata = Record<string, Buffer>;

const version = '1.0.0';
/** What can be asked for, in the words of BuildKit's front end. */
const requests = [
  { name: 'frontend.lint', description: 'Lint a Dockerfile', opts: [] },
  {
    name: 'frontend.outline',
    description: 'List all parameters current build target supports',
    opts: [{ name: 'target', description: 'Target build stage' }],
  },
  { name: 'frontend.targets', description: 'List all targets current build supports', opts: [] },
  { name: 'frontend.subrequests.describe', description: 'List available subrequest types', opts: null },
];

/**
 * Answers what is no build: `docker build --call=…`.
 *
 * @param describe reads the Dockerfile
 * @throws GantryError unsupported, for what is none of these
 */
export async function answerSubrequest(name: string, describe: () => Promise<PendingResult>): Promise<Metadata> {
  switch (name) {
    case 'frontend.lint':
      return lint(describe);
    case 'frontend.outline':
      return outline(await describe());
    case 'frontend.targets':
      return targets(await describe());
    case 'frontend.subrequests.describe':
      return describeRequests();
    default:
      throw unsupported(`unsupported request ${name}`);
  }
}

/** Mistakes are told beside the warnings, where the Dockerfile can be read at all. */
async function lint(describe: () => Promise<PendingResult>): Promise<Metadata> {
  try {
    const pending = await describe();
    try {
      const { checks, failure } = await pending.inspect();
      const { violations, isError } = checks;
      const error = isError && violations.length > 0 ? violationError(violations) : undefined;
      return lintAnswer(violations, pending.source, failure ?? error);
    } catch (error) {
      return lintAnswer([], pending.source, error);
    }
  } catch (error) {
    if (error instanceof LocatedFailure) return lintAnswer([], error.source, error);
    throw error;
  }
}

function lintAnswer(violations: readonly Violation[], source: ShownSource, error?: unknown): Metadata {
  const warnings = violations.map(({ rule, message, location }) => ({
    ruleName: rule,
    description: descriptions[rule],
    url: urlOf(rule),
    detail: message,
    location: place(location),
  }));
  const lines = error instanceof LocatedFailure ? error.lines : undefined;
  const buildError = {
    message: reasonOf(error),
    location: lines ? place({ line: lines.first, lastLine: lines.last }) : {},
  };
  const isClean = warnings.length === 0 && error === undefined;
  const text = warnings.map(({ ruleName, detail, location }) =>
    `${source.filename}:${location.ranges[0]?.start.line ?? 0}: ${ruleName}: ${detail}\n`); // prettier-ignore
  const sources = [{ filename: source.filename, data: base64(source.text), language: 'Dockerfile' }];
  return {
    ...metadata({ warnings, sources, ...(error !== undefined && { buildError }) }, isClean ? checked : text.join('')),
    'result.statuscode': Buffer.from(isClean ? '0' : '1'),
  };
}

const checked = 'Check complete, no warnings found.\n';

async function outline(pending: PendingResult): Promise<Metadata> {
  const { name, description, arguments: args, secrets, agents } = (await pending.inspect()).outline;
  const mounts = (list: readonly OutlinedMount[]): object[] =>
    list.map((mount) => ({
      name: mount.name,
      ...(mount.required && { required: true }),
      location: place(mount.location),
    }));
  const result = {
    ...(name !== undefined && { name }),
    ...(description !== '' && { description }),
    ...(args.length > 0 && {
      args: args.map((argument) => ({
        name: argument.name,
        ...(argument.description !== '' && { description: argument.description }),
        ...(argument.value !== undefined && argument.value !== '' && { value: argument.value }),
        location: place(argument.location),
      })),
    }),
    ...(secrets.length > 0 && { secrets: mounts(secrets) }),
    ...(agents.length > 0 && { ssh: mounts(agents) }),
    sources: [base64(pending.source.text)],
  };
  const heading = [...(name ? [['TARGET:', name]] : []), ...(description ? [['DESCRIPTION:', description]] : [])];
  const yes = ({ required }: OutlinedMount): string => (required ? 'true' : '');
  const sections = [
    heading,
    args.length > 0 ? [['BUILD ARG', 'VALUE', 'DESCRIPTION'], ...args.map((each) => [each.name, each.value ?? '', each.description])] : [],
    secrets.length > 0 ? [['SECRET', 'REQUIRED'], ...secrets.map((each) => [each.name, yes(each)])] : [],
    agents.length > 0 ? [['SSH', 'REQUIRED'], ...agents.map((each) => [each.name, yes(each)])] : [],
  ]; // prettier-ignore
  return metadata(result, sections.filter((rows) => rows.length > 0).map((rows) => `${table(rows)}\n`).join('')); // prettier-ignore
}

async function targets(pending: PendingResult): Promise<Metadata> {
  const all = (await pending.inspect()).targets;
  const result = {
    targets: all.map(({ name, description, base, isDefault, location }) => ({
      ...(name !== undefined && { name }),
      ...(isDefault && { default: true }),
      ...(description !== '' && { description }),
      base,
      location: place(location),
    })),
    sources: [base64(pending.source.text)],
  };
  const rows = all.map(({ name, description, isDefault }) => [
    [name, isDefault && '(default)'].filter(Boolean).join(' '),
    description,
  ]);
  return metadata(result, table([['TARGET', 'DESCRIPTION'], ...rows]));
}

function describeRequests(): Metadata {
  const files = ['result.json', 'result.txt'].map((name) => ({ name, description: '' }));
  const result = requests.map(({ name, description, opts }) => ({
    name,
    version,
    type: 'rpc',
    description,
    opts,
    inputs: null,
    metadata: files,
    refs: null,
  }));
  const rows = requests.map(({ name, description }) => [name.replace(/^frontend\./, ''), version, description]);
  return metadata(result, table([['NAME', 'VERSION', 'DESCRIPTION'], ...rows]));
}

function metadata(result: object, text: string): Metadata {
  return {
    version: Buffer.from(version),
    'result.json': Buffer.from(JSON.stringify(result)),
    'result.txt': Buffer.from(text),
  };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A range for each line, as BuildKit has it. */
function place({ line, lastLine }: Pick<Location, 'line' | 'lastLine'>): { ranges: { start: { line: number } }[] } {
  const lines = Array.from({ length: lastLine - line + 1 }, (_, offset) => line + offset);
  return { ranges: lines.map((each) => ({ start: { line: each }, end: { line: each } })) };
}

/** Columns as wide as what is in them. */
function table(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: string[]): string =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]! + 3))).join('');
  return rows.map((row) => `${line(row)}\n`).join('');
}
