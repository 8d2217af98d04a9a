import type { Instruction } from '../dockerfile/instruction.js';
import { ShellWords, type Variables } from '../dockerfile/shell-words.js';
import type { ImageConfig } from '../images/image-document.js';
import { applyInstruction, environmentOf, isConfigInstruction } from '../images/instructions.js';
import { configBelow, type CheckedBuild } from './build-checks.js';
import { inPlace } from './build-error.js';
import { targetPlatform } from './stage-base.js';
import { BuildArguments, platformArguments } from './variables.js';

/** How far a stage is, without its files. */
interface Dry {
  config: ImageConfig;
  arguments: ReadonlyMap<string, string>;
}

/**
 * Carries out what changes only the configuration, in the stages whose base is known.
 *
 * @throws BuildError for the first instruction that makes no sense
 */
export async function dryRun(build: CheckedBuild): Promise<void> {
  const { plan, globals, request, dockerfile } = build;
  const given = new BuildArguments(request.buildArgs, platformArguments(targetPlatform(build)));
  const ends = new Map<number, Dry>();
  for (const stage of plan.stages) {
    const { base, index, instructions } = stage;
    const config = base.kind === 'stage' ? undefined : await configBelow(build, stage);
    let dry = base.kind === 'stage' ? ends.get(base.index) : config && { config, arguments: new Map() };
    for (const instruction of dry ? instructions : []) {
      try {
        dry = carryOut(dry!, instruction, dockerfile.directives.escape, given, globals);
      } catch (error) {
        throw inPlace(error, request.dockerfileName, instruction.location);
      }
    }
    if (dry) ends.set(index, dry);
  }
}

function carryOut(dry: Dry, instruction: Instruction, escape: string, given: BuildArguments, globals: Variables): Dry {
  if (instruction.keyword === 'ARG') {
    const declared = new Map(dry.arguments);
    for (const { name, value } of instruction.variables) {
      const words = new ShellWords(escape, new Map([...declared, ...environmentOf(dry.config)]));
      const known = given.declare(name, value === undefined ? undefined : words.expand(value), globals);
      if (known !== undefined) declared.set(name, known);
    }
    return { ...dry, arguments: declared };
  }
  if (!isConfigInstruction(instruction)) return dry;
  const config = applyInstruction(dry.config, instruction, { escape, variables: dry.arguments });
  return { ...dry, config };
}
