import type { Location } from './dockerfile-error.js';
import type { Instruction, InstructionOf } from './instruction.js';
import type { BuildMount } from './mount.js';
import type { Dockerfile, Stage } from './parse.js';
import { ShellWords, type Variables } from './shell-words.js';
import { visitVariables } from './stage-variables.js';

/** What a build of a target can be given. */
export interface Outline {
  name: string | undefined;
  description: string;
  arguments: OutlinedArgument[];
  secrets: OutlinedMount[];
  agents: OutlinedMount[];
}

export interface OutlinedArgument {
  name: string;
  value: string | undefined;
  description: string;
  location: Location;
}

export interface OutlinedMount {
  name: string;
  required: boolean;
  location: Location;
}

/** A stage that can be built. */
export interface Target {
  name: string | undefined;
  description: string;
  base: string;
  isDefault: boolean;
  location: Location;
}

/** A stage that the target needs. */
interface NeededStage {
  index: number;
  /** The stage that it stands on, if it does. */
  base: number | undefined;
  instructions: readonly Instruction[];
}

/** The stages, and what the comments above say of them. */
export function targetsOf({ stages }: Dockerfile): Target[] {
  return stages.map(({ from, name }, index) => ({
    name,
    description: descriptionOf(from, name),
    base: from.image,
    isDefault: index === stages.length - 1,
    location: from.location,
  }));
}

/**
 * What the stages of a target, the target first, ask for.
 *
 * @param globals values of the ARGs before the first FROM
 * @param given what the client gives for an ARG of a stage
 */
export function outlineOf(
  { directives, globalArguments, stages }: Dockerfile,
  needed: readonly NeededStage[],
  target: number,
  globals: Variables,
  given: (name: string) => string | undefined,
): Outline {
  const order = [...needed].sort((one, other) => rank(one, target) - rank(other, target));
  const args = new Map<string, OutlinedArgument>();
  const ofGlobals = new Map(
    globalArguments.flatMap((instruction) =>
      instruction.variables.map(({ name }) => [name, outlined(instruction, name, globals.get(name))] as const),
    ),
  );
  const found: [number, string, OutlinedArgument | undefined][] = [];
  visitVariables(
    [...needed].sort((one, other) => one.index - other.index).map((stage) => ({ ...stage, environment: new Map() })),
    directives.escape,
    (name, fallback) => given(name) ?? fallback ?? globals.get(name),
    {
      argument(index, name, value, instruction) {
        const own = instruction.variables.some((variable) => variable.name === name && variable.value !== undefined);
        const isGlobal = !own && given(name) === undefined && globals.has(name);
        found.push([index, name, isGlobal ? ofGlobals.get(name) : outlined(instruction, name, value)]);
      },
    },
  );
  for (const { index } of order) {
    for (const name of namesIn(stages[index]!, directives.escape, globals))
      found.push([index, name, ofGlobals.get(name)]);
    // The last one of a stage counts, and the first stage that has one.
    const last = new Map(found.filter(([stage]) => stage === index).map(([, name, argument]) => [name, argument]));
    for (const [name, argument] of last) if (argument && !args.has(name)) args.set(name, argument);
  }
  const stage = stages[target]!;
  return {
    name: stage.name,
    description: descriptionOf(stage.from, stage.name),
    arguments: inOrder([...args.values()]),
    secrets: mountsOf(order, 'secret'),
    agents: mountsOf(order, 'ssh'),
  };
}

const rank = ({ index }: NeededStage, target: number): number => (index === target ? -Infinity : -index);

/** The global ARGs that FROM names. */
function namesIn({ from }: Stage, escape: string, globals: Variables): string[] {
  return [...globals.keys()].filter((name) => {
    const without = new Map([...globals, [name, `${globals.get(name)!}.`]]);
    return new ShellWords(escape, without).expand(from.image) !== new ShellWords(escape, globals).expand(from.image);
  });
}

function outlined(instruction: InstructionOf<'ARG'>, name: string, value: string | undefined): OutlinedArgument {
  return { name, value, description: descriptionOf(instruction, name), location: instruction.location };
}

/** "# NAME what it is" above the instruction. */
function descriptionOf({ comments = [] }: Instruction, name: string | undefined): string {
  const comment = comments.find((text) => name !== undefined && text.startsWith(`${name} `));
  return comment === undefined ? '' : comment.slice(name!.length + 1);
}

function mountsOf(stages: readonly NeededStage[], type: BuildMount['type']): OutlinedMount[] {
  const mounts = new Map<string, OutlinedMount>();
  for (const { instructions } of stages) {
    const own = new Map<string, OutlinedMount>();
    for (const instruction of instructions) {
      if (instruction.keyword !== 'RUN') continue;
      for (const { type: kind, id, required } of instruction.mounts) {
        const name = id || 'default';
        if (kind === type && !own.has(name)) own.set(name, { name, required, location: instruction.location });
      }
    }
    for (const [name, mount] of own) if (!mounts.has(name)) mounts.set(name, mount);
  }
  return inOrder([...mounts.values()]);
}

const inOrder = <Item extends { location: Location }>(items: Item[]): Item[] =>
  items.sort((one, other) => one.location.line - other.location.line);
