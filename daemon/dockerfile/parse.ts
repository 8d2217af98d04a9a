import { invalid } from '../errors.js';
import { readDirectives, type Directives } from './directives.js';
import { DockerfileError } from './dockerfile-error.js';
import type { Instruction, InstructionOf } from './instruction.js';
import { logicalLines } from './lines.js';
import { parseInstruction } from './parse-instruction.js';

/** A build stage: FROM and what follows it. */
export interface Stage {
  from: InstructionOf<'FROM'>;
  /** From the instruction itself; stages without one are named by their position. */
  name: string | undefined;
  instructions: Instruction[];
}

export interface Dockerfile {
  directives: Directives;
  /** ARG before the first FROM: their variables count in FROM, and where a stage names them again. */
  globalArguments: InstructionOf<'ARG'>[];
  stages: Stage[];
}

const maxBytes = 4 * 1024 * 1024;

/**
 * Reads a Dockerfile.
 *
 * @throws DockerfileError with the line at fault; GantryError invalid for one that is empty or too large
 */
export function parseDockerfile(text: string): Dockerfile {
  if (Buffer.byteLength(text) > maxBytes) throw invalid(`the Dockerfile is larger than ${maxBytes} bytes`);
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const directives = readDirectives(lines);
  const instructions = logicalLines(lines, directives).map((line) => parseInstruction(line, directives.escape));
  if (instructions.length === 0) throw invalid('file with no instructions: a Dockerfile needs at least FROM');
  return { directives, ...divide(instructions) };
}

/** Parses one instruction alone, as ONBUILD keeps it. */
export function parseTrigger(text: string): Instruction[] {
  const directives: Directives = { escape: '\\' };
  return logicalLines(text.split(/\r?\n/), directives).map((line) => parseInstruction(line, directives.escape));
}

function divide(instructions: readonly Instruction[]): Omit<Dockerfile, 'directives'> {
  const globalArguments: InstructionOf<'ARG'>[] = [];
  const stages: Stage[] = [];
  for (const instruction of instructions) {
    const stage = stages.at(-1);
    if (instruction.keyword === 'FROM') {
      stages.push({ from: instruction, name: instruction.stage, instructions: [] });
    } else if (stage) stage.instructions.push(instruction);
    else if (instruction.keyword === 'ARG') globalArguments.push(instruction);
    else throw new DockerfileError('no build stage in current context: FROM must come first', instruction.location);
  }
  if (stages.length === 0) throw invalid('no build stage in the Dockerfile: it has no FROM');
  return { globalArguments, stages };
}
