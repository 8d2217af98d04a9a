import type { Instruction, InstructionOf } from './instruction.js';
import { ShellWords, type Variables } from './shell-words.js';

/** A stage whose variables are looked at. */
export interface StageVariables {
  index: number;
  /** The stage that it stands on. */
  base?: number | undefined;
  /** The environment of the image that it stands on; undefined when that is not known. */
  environment: Variables | undefined;
  instructions: readonly Instruction[];
}

/** Told what is met on the way through the stages. */
export interface VariableVisitor {
  /** A variable that nothing defines. */
  missing?(name: string, known: Iterable<string>, instruction: Instruction): void;
  /** An ARG, and the value that it gives its variable. */
  argument?(stage: number, name: string, value: string | undefined, instruction: InstructionOf<'ARG'>): void;
}

interface Scope {
  environment: Map<string, string>;
  arguments: Map<string, string>;
  /** ARGs without a value, too. */
  declared: Set<string>;
}

/**
 * Follows the variables through the stages, as a build would, without one.
 *
 * @param stages each behind the one that it stands on
 * @param declare the value that an ARG gives its variable
 */
export function visitVariables(
  stages: readonly StageVariables[],
  escape: string,
  declare: (name: string, fallback: string | undefined) => string | undefined,
  visitor: VariableVisitor,
): void {
  const scopes = new Map<number, Scope>();
  for (const stage of stages) {
    const scope = scopeOf(stage, scopes);
    if (!scope) continue;
    scopes.set(stage.index, scope);
    for (const instruction of stage.instructions) {
      new Reading(stage.index, scope, escape, visitor, instruction).read(declare);
    }
  }
}

function scopeOf({ base, environment }: StageVariables, scopes: ReadonlyMap<number, Scope>): Scope | undefined {
  if (base === undefined) {
    return environment && { environment: new Map(environment), arguments: new Map(), declared: new Set() };
  }
  const below = scopes.get(base);
  return (
    below && {
      environment: new Map(below.environment),
      arguments: new Map(below.arguments),
      declared: new Set(below.declared),
    }
  );
}

/** One instruction being read. */
class Reading {
  readonly #known: Map<string, string>;

  constructor(
    readonly stage: number,
    readonly scope: Scope,
    readonly escape: string,
    readonly visitor: VariableVisitor,
    readonly instruction: Instruction,
  ) {
    this.#known = new Map([...scope.arguments, ...scope.environment]);
  }

  read(declare: Parameters<typeof visitVariables>[2]): void {
    const { instruction, scope } = this;
    if (instruction.keyword === 'ARG') this.#declare(instruction, declare);
    else if (instruction.keyword === 'ENV') {
      const pairs = instruction.pairs.map(([name, value]) => [this.#expand(name), this.#expand(value)] as const);
      for (const [name, value] of pairs) scope.environment.set(name, value);
    } else {
      for (const word of wordsOf(instruction)) this.#expand(word);
      for (const content of contentsOf(instruction)) this.#expand(content, true);
    }
  }

  #declare(instruction: InstructionOf<'ARG'>, declare: Parameters<typeof visitVariables>[2]): void {
    for (const { name, value } of instruction.variables) {
      const given = declare(name, value === undefined ? undefined : this.#expand(value));
      this.visitor.argument?.(this.stage, name, given, instruction);
      this.scope.declared.add(name);
      if (given === undefined) continue;
      this.scope.arguments.set(name, given);
      this.#known.set(name, given);
    }
  }

  #expand(text: string, isContent = false): string {
    if (!text.includes('$')) return text;
    const variables = new NotingVariables(this.#known);
    const words = new ShellWords(this.escape, variables);
    let expanded = '';
    try {
      expanded = isContent ? words.expandContent(text) : words.expand(text);
    } catch {
      // What cannot be expanded fails the build, in words of its own.
    }
    for (const name of variables.missing) {
      if (!this.scope.declared.has(name)) this.visitor.missing?.(name, this.#known.keys(), this.instruction);
    }
    return expanded;
  }
}

/** Remembers the names that it was asked for and does not have. */
class NotingVariables extends Map<string, string> {
  readonly missing = new Set<string>();

  override get(name: string): string | undefined {
    const value = super.get(name);
    if (value === undefined) this.missing.add(name);
    return value;
  }
}

/** The texts of an instruction in which variables have a meaning. RUN, CMD and the like leave them to the shell. */
function wordsOf(instruction: Instruction): string[] {
  switch (instruction.keyword) {
    case 'COPY':
    case 'ADD': {
      const { sources, destination, chown = '', chmod = '' } = instruction;
      const checksum = instruction.keyword === 'ADD' ? (instruction.checksum ?? '') : '';
      return [...sources, destination, chown, chmod, checksum];
    }
    case 'LABEL':
      return instruction.pairs.flat();
    case 'WORKDIR':
    case 'USER':
    case 'STOPSIGNAL':
      return [instruction.value];
    case 'VOLUME':
      return instruction.values;
    case 'RUN':
      return instruction.mounts.flatMap(({ target, source, id }) => [target, source, id]);
    default:
      return [];
  }
}

function contentsOf(instruction: Instruction): string[] {
  if (instruction.keyword !== 'COPY' && instruction.keyword !== 'ADD') return [];
  return instruction.heredocs.filter(({ expand }) => expand).map(({ content }) => content);
}
