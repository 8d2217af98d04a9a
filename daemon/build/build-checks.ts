import type { Violation } from '../dockerfile/checks.js';
import { checkDockerfile } from '../dockerfile/checks.js';
import { parseCheckOptions } from '../dockerfile/check-options.js';
import { descriptions, urlOf } from '../dockerfile/check-rules.js';
import type { Location } from '../dockerfile/dockerfile-error.js';
import type { Dockerfile } from '../dockerfile/parse.js';
import type { Variables } from '../dockerfile/shell-words.js';
import { visitVariables, type StageVariables } from '../dockerfile/stage-variables.js';
import { invalid } from '../errors.js';
import type { ImageConfig } from '../images/image-document.js';
import { environmentOf } from '../images/instructions.js';
import type { Image } from '../images/lookup.js';
import type { Platform } from '../images/platform.js';
import { nearestWithin } from '../suggestion.js';
import type { ReportProgress } from './build-progress.js';
import type { BuildRequest } from './build-request.js';
import { copySource, isRemote } from './copy-paths.js';
import { ignoreMatcher } from './ignore-matcher.js';
import type { BuildPlan, PlannedStage } from './plan.js';
import { BuildArguments, platformArguments } from './variables.js';
import { initialEnvironment, targetPlatform } from './stage-base.js';

/** What a Dockerfile is checked for: a build of it. */
export interface CheckedBuild {
  dockerfile: Dockerfile;
  plan: BuildPlan;
  /** What FROM can name. */
  globals: Variables;
  request: BuildRequest;
  /** A base image, where it can be had; asked for only when something depends on it. */
  image: (reference: string, platform: Platform) => Promise<Image | undefined>;
}

export interface CheckResult {
  violations: Violation[];
  /** What was found fails the build. */
  isError: boolean;
}

/** Looks for what Docker's build checks warn of. @throws GantryError invalid for options that make no sense */
export async function checkBuild(build: CheckedBuild): Promise<CheckResult> {
  const { dockerfile, plan, globals, request } = build;
  const options = parseCheckOptions(
    request.buildArgs['BUILDKIT_DOCKERFILE_CHECK'] ?? dockerfile.directives.check ?? '',
  );
  const platform = platformArguments(targetPlatform(build));
  const { escape } = dockerfile.directives;
  const defaults = new BuildArguments({}, platform).globals(dockerfile.globalArguments, escape, request.target ?? '');
  const built = new Set(plan.stages.map(({ index }) => index));
  const found = checkDockerfile(dockerfile, { built, globals, defaults });
  if (!options.skips('UndefinedVar')) found.push(...(await checkVariables(build, platform)));
  if (!options.skips('CopyIgnoredFile')) found.push(...(await checkCopied(plan, request)));
  return { violations: found.filter(({ rule }) => !options.skips(rule)), isError: options.isError };
}

/** Warns of it. @throws GantryError invalid where that shall fail the build */
export function reportViolations({ violations, isError }: CheckResult, report: ReportProgress): void {
  for (const { rule, message, location } of violations) {
    report({
      kind: 'warning',
      vertex: '',
      message: `${rule}: ${message} (line ${location.line})`,
      detail: descriptions[rule],
      url: urlOf(rule),
      lines: { first: location.line, last: location.lastLine },
    });
  }
  if (isError && violations.length > 0) throw violationError(violations);
}

export function violationError(violations: readonly Violation[]): Error {
  const rules = [...new Set(violations.map(({ rule }) => rule))].sort();
  return invalid(`lint violation found for rules: ${rules.join(', ')}`);
}

async function checkVariables(build: CheckedBuild, platform: ReadonlyMap<string, string>): Promise<Violation[]> {
  const { dockerfile, plan, globals, request } = build;
  const { escape } = dockerfile.directives;
  const given = new BuildArguments(request.buildArgs, platform);
  const declare = (name: string, fallback: string | undefined): string | undefined =>
    given.declare(name, fallback, globals);
  const look = (stages: readonly StageVariables[]): Violation[] => {
    const found: Violation[] = [];
    visitVariables(stages, escape, declare, {
      missing: (name, known, { location }) => found.push(undefinedVariable(name, known, location)),
    });
    return found;
  };
  // What the images define does not matter where nothing is missing without them. All have a PATH.
  const without = plan.stages.map((stage) => variablesOf(stage, new Map([['PATH', '']])));
  if (look(without).length === 0) return [];
  const stages = await Promise.all(
    plan.stages.map(async (stage) => {
      const config = await configBelow(build, stage);
      return variablesOf(stage, config && environmentOf(config));
    }),
  );
  return look(stages);
}

function undefinedVariable(name: string, known: Iterable<string>, location: Location): Violation {
  const meant = nearestWithin(name, known, 2);
  const suggestion = meant === undefined ? '' : ` (did you mean $${meant}?)`;
  return { rule: 'UndefinedVar', message: `Usage of undefined variable '$${name}'${suggestion}`, location };
}

function variablesOf(stage: PlannedStage, environment: Variables | undefined): StageVariables {
  const { index, base, instructions } = stage;
  return { index, base: base.kind === 'stage' ? base.index : undefined, environment, instructions };
}

/** The configuration of what a stage stands on; undefined when that is another stage, or not known. */
export async function configBelow(
  { request, image }: CheckedBuild,
  { base, platform }: PlannedStage,
): Promise<ImageConfig | undefined> {
  const wanted = platform ?? targetPlatform({ request });
  const ofImage = async (reference: string): Promise<ImageConfig | undefined> => {
    const found = await image(reference, wanted);
    return found && (found.document.config ?? {});
  };
  const initial = { Env: [...initialEnvironment] };
  if (base.kind === 'image') return ofImage(base.reference);
  if (base.kind === 'stage') return undefined;
  if (base.kind === 'scratch') return initial;
  const named = request.namedContexts.get(base.name);
  if (named?.kind === 'image') return ofImage(named.reference);
  return named?.kind === 'result' ? (named.result.document.config ?? {}) : initial;
}

async function checkCopied({ stages }: BuildPlan, { context }: BuildRequest): Promise<Violation[]> {
  const isIgnored = ignoreMatcher((await context.ignorePatterns?.()) ?? []);
  return stages.flatMap(({ instructions }) =>
    instructions.flatMap((instruction): Violation[] => {
      if (instruction.keyword !== 'COPY' && instruction.keyword !== 'ADD') return [];
      if (instruction.keyword === 'COPY' && instruction.from !== undefined) return [];
      const { keyword, sources, location } = instruction;
      const paths = sources.filter((source) => !isRemote(source)).map(copySource);
      const verb = keyword === 'COPY' ? 'Copy' : 'Add';
      return paths
        .filter((path) => path !== '' && isIgnored(path))
        .map((path) => ({
          rule: 'CopyIgnoredFile',
          message: `Attempting to ${verb} file "${path}" that is excluded by .dockerignore`,
          location,
        }));
    }),
  );
}
