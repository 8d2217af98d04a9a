import { isReference } from '../images/reference.js';
import type { Rule } from './check-rules.js';
import type { Location } from './dockerfile-error.js';
import type { Instruction, InstructionOf } from './instruction.js';
import type { Dockerfile, Stage } from './parse.js';
import { ShellWords, type Variables } from './shell-words.js';

/** Something in a Dockerfile that is allowed and still not good. */
export interface Violation {
  /** As Docker calls it. */
  rule: Rule;
  message: string;
  location: Location;
}

type Report = (rule: Rule, message: string, location: Location) => void;

/** What a Dockerfile is checked with. */
export interface CheckedWith {
  /** The stages that the target needs: what is in the others does not matter, their names do. */
  built: ReadonlySet<number>;
  /** What FROM can name. */
  globals: Variables;
  /** The same without what the client has given. */
  defaults: Variables;
}

/**
 * Looks for what Docker's build checks warn of.
 *
 * @see https://docs.docker.com/reference/build-checks/
 */
export function checkDockerfile(
  { directives, globalArguments, stages }: Dockerfile,
  { built, globals, defaults }: CheckedWith,
): Violation[] {
  const violations: Violation[] = [];
  const report: Report = (rule, message, location) => violations.push({ rule, message, location });
  const all = [...globalArguments, ...stages.flatMap(({ from, instructions }) => [from, ...instructions])];
  all.forEach((instruction) => checkContinuation(instruction, report));
  all.forEach((instruction) => checkDescription(instruction, report));
  checkCasing(all, report);
  const declared = new Set([
    ...globals.keys(),
    ...globalArguments.flatMap(({ variables }) => variables.map(({ name }) => name)),
  ]);
  stages.forEach((stage, index) => {
    checkFrom(stage, stages.slice(0, index), declared, report);
    checkDefaults(stage, directives.escape, defaults, report);
    const maintainer = stage.instructions.find(({ keyword }) => keyword === 'MAINTAINER');
    if (maintainer) {
      report(
        'MaintainerDeprecated',
        'Maintainer instruction is deprecated in favor of using label',
        maintainer.location,
      );
    }
  });
  const checked: CheckedStage[] = [];
  stages.forEach((stage, index) => {
    const base = stages.slice(0, index).findLastIndex(({ name }) => name === stage.from.image.toLowerCase());
    checked.push(checkStage(stage, checked[base], built.has(index) ? report : () => undefined));
  });
  return violations;
}

const word = (text: string): string => /^\S*/.exec(text)?.[0] ?? '';
const isLower = (text: string): boolean => text === text.toLowerCase();
const isUpper = (text: string): boolean => text === text.toUpperCase();

/** Blank lines behind an escape character; here-documents may have any. */
function checkContinuation({ location, text, ...rest }: Instruction, report: Report): void {
  const heredocs = 'heredocs' in rest ? rest.heredocs : [];
  if (heredocs.length > 0 || text === '') return;
  const lines = location.text.split('\n');
  const blank = lines.findIndex((line) => line.trim() === '');
  if (blank < 0) return;
  const next = lines.findIndex((line, index) => index > blank && line.trim() !== '');
  const line = location.line + Math.max(next, blank);
  report('NoEmptyContinuation', 'Empty continuation line', { line, lastLine: line, text: lines[next] ?? '' });
}

function checkCasing(instructions: readonly Instruction[], report: Report): void {
  const words = instructions.map(({ text }) => word(text));
  const majority = words.filter(isLower).length > words.filter(isUpper).length ? 'lowercase' : 'uppercase';
  const fits = majority === 'lowercase' ? isLower : isUpper;
  instructions.forEach(({ location }, index) => {
    const text = words[index]!;
    if (fits(text)) return;
    report('ConsistentInstructionCasing', `Command '${text}' should match the case of the command majority (${majority})`, location); // prettier-ignore
  });
}

const predefinedInFrom = /^(?:BUILD|TARGET)(?:PLATFORM|OS|ARCH|VARIANT|OSVERSION)$|^TARGETSTAGE$/;

function checkFrom({ from }: Stage, above: readonly Stage[], declared: ReadonlySet<string>, report: Report): void {
  const { location, text, image, platform = '', stage } = from;
  const [, as = '', written = ''] = /\s(as)\s+(\S+)$/i.exec(text) ?? [];
  if (!isLower(written)) report('StageNameCasing', `Stage name '${written}' should be lowercase`, location);
  if (as !== '' && isLower(as) !== isLower(word(text))) {
    report('FromAsCasing', `'${as}' and '${word(text)}' keywords' casing do not match`, location);
  }
  if (stage === 'scratch' || stage === 'context') {
    report('ReservedStageName', `Stage name should not use the same name as reserved stage "${stage}"`, location);
  }
  if (stage !== undefined && above.some(({ name }) => name === stage)) {
    report('DuplicateStageName', `Duplicate stage name "${stage}", stage names should be unique`, location);
  }
  for (const [, name = ''] of `${image} ${platform}`.matchAll(/\$\{?(\w+)/g)) {
    if (declared.has(name) || predefinedInFrom.test(name)) continue;
    report('UndefinedArgInFrom', `FROM argument '${name}' is not declared`, location);
  }
  checkPlatform(from, report);
}

/** Whether FROM makes sense when the client gives nothing. */
function checkDefaults({ from }: Stage, escape: string, defaults: Variables, report: Report): void {
  if (!from.image.includes('$')) return;
  let image = '';
  try {
    image = new ShellWords(escape, defaults).expand(from.image);
  } catch {
    // What cannot be expanded is no name.
  }
  if (image !== '' && isReference(image)) return;
  const message = `Default value for ARG ${from.image} results in empty or invalid base image name`;
  report('InvalidDefaultArgInFrom', message, from.location);
}

/** Comments above a stage and an ARG are shown as what they are for, if they begin with the name. */
function checkDescription(instruction: Instruction, report: Report): void {
  const { keyword, comments = [], location } = instruction;
  const names = namesOf(instruction);
  const comment = comments.filter((text) => !/^(?:syntax|escape|check)\s*=/i.test(text)).at(-1);
  if (names.length === 0 || comment === undefined || names.includes(word(comment))) return;
  const [name] = names.length > 1 ? ['<arg_key>'] : names;
  const message = `Comment for ${keyword} should follow the format: \`# ${name} <description>\``;
  report('InvalidDefinitionDescription', message, location);
}

function namesOf(instruction: Instruction): string[] {
  if (instruction.keyword === 'ARG') return instruction.variables.map(nameOf);
  return instruction.keyword === 'FROM' && instruction.stage !== undefined ? [instruction.stage] : [];
}

function checkPlatform({ platform = '', stage = '', location }: InstructionOf<'FROM'>, report: Report): void {
  if (/^\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})$/.test(platform)) {
    const message = `Setting platform to predefined ${platform} in FROM is redundant as this is the default behavior`;
    report('RedundantTargetPlatform', message, location);
  }
  const isNamed = platform.split('/').some((part) => stage.includes(part));
  if (platform === '' || platform.includes('$') || isNamed) return;
  const message = `FROM --platform flag should not use constant value "${platform}"`;
  report('FromPlatformFlagConstDisallowed', message, location);
}

/** What a stage hands on to those that stand on it. */
interface CheckedStage {
  hasShell: boolean;
  hasDirectory: boolean;
}

const secret = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const noSecret = /(?:_|^)public(?:_|$)/i;

function checkStage({ instructions }: Stage, base: CheckedStage | undefined, report: Report): CheckedStage {
  const stage = { hasShell: false, hasDirectory: false, ...base };
  const seen = new Map<string, Location>();
  for (const instruction of instructions) {
    const { keyword } = instruction;
    if (keyword === 'SHELL') stage.hasShell = true;
    if (keyword === 'WORKDIR') checkDirectory(instruction, stage, report);
    if (keyword === 'ENV' || keyword === 'LABEL') checkPairs(instruction, report);
    if (keyword === 'EXPOSE') checkPorts(instruction, report);
    if (keyword === 'ARG') checkSecrets(instruction, instruction.variables.map(nameOf), report);
    if (keyword === 'CMD' || keyword === 'ENTRYPOINT') checkCommand(instruction, stage, report);
    if (keyword === 'CMD' || keyword === 'ENTRYPOINT' || keyword === 'HEALTHCHECK')
      checkOnce(instruction, seen, report);
  }
  return stage;
}

const nameOf = ({ name }: { name: string }): string => name;

function checkDirectory(
  { value, location }: { value: string; location: Location },
  stage: CheckedStage,
  report: Report,
): void {
  if (!stage.hasDirectory && !/^["'/$]/.test(value)) {
    const message = `Relative workdir "${value}" can have unexpected results if the base image changes`;
    report('WorkdirRelativePath', message, location);
  }
  stage.hasDirectory = true;
}

function checkPairs(instruction: InstructionOf<'ENV'> | InstructionOf<'LABEL'>, report: Report): void {
  const { keyword, text, pairs, location } = instruction;
  if (!/^\S+\s+[^\s=]+=/.test(text)) {
    const message = `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`;
    report('LegacyKeyValueFormat', message, location);
  }
  if (keyword === 'ENV') checkSecrets(instruction, pairs.map(([name]) => name), report); // prettier-ignore
}

function checkCommand(
  { keyword, command, location }: InstructionOf<'CMD'> | InstructionOf<'ENTRYPOINT'>,
  { hasShell }: CheckedStage,
  report: Report,
): void {
  if (command.form === 'exec' || hasShell) return;
  const message = `JSON arguments recommended for ${keyword} to prevent unintended behavior related to OS signals`;
  report('JSONArgsRecommended', message, location);
}

function checkSecrets({ keyword, location }: Instruction, names: readonly string[], report: Report): void {
  for (const name of names) {
    if (!secret.test(name) || noSecret.test(name)) continue;
    const message = `Do not use ARG or ENV instructions for sensitive data (${keyword} "${name}")`;
    report('SecretsUsedInArgOrEnv', message, location);
  }
}

function checkPorts({ values, location }: { values: string[]; location: Location }, report: Report): void {
  for (const port of values) {
    if (port.includes('$')) continue;
    const [, protocol = ''] = /\/([^/]*)$/.exec(port) ?? [];
    if (!isLower(protocol)) {
      const message = `Defined protocol '${port}' in EXPOSE instruction should be lowercase`;
      report('ExposeProtoCasing', message, location);
    }
    if (!port.includes(':')) continue;
    const message = `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`;
    report('ExposeInvalidFormat', message, location);
  }
}

/** The one before is what counts for nothing. */
function checkOnce({ keyword, location }: Instruction, seen: Map<string, Location>, report: Report): void {
  const before = seen.get(keyword);
  seen.set(keyword, location);
  if (!before) return;
  const message = `Multiple ${keyword} instructions should not be used in the same stage because only the last one will be used`;
  report('MultipleInstructionsDisallowed', message, before);
}
