import type { InstructionOf } from '../dockerfile/instruction.js';
import { ShellWords, type Variables } from '../dockerfile/shell-words.js';
import { formatPlatform, hostPlatform, type Platform } from '../images/platform.js';

/** Build arguments that need no ARG: a RUN sees them, but neither the image nor the cache does. */
const predefined = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'];
const predefinedNames = new Set([...predefined, ...predefined.map((name) => name.toLowerCase())]);
/** Build arguments that say how to build, not what. */
const controlNames = new Set(['SOURCE_DATE_EPOCH']);

/** The variables that a Dockerfile has for the platforms it is built on and for. */
export function platformArguments(target: Platform): ReadonlyMap<string, string> {
  const of = (prefix: string, platform: Platform): [string, string][] => [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ];
  return new Map([...of('BUILD', hostPlatform), ...of('TARGET', target)]);
}

/** The build arguments of a client, and what the ARG instructions make of them. */
export class BuildArguments {
  readonly #used = new Set<string>();

  constructor(
    readonly given: Readonly<Record<string, string>>,
    readonly platform: ReadonlyMap<string, string>,
  ) {}

  /** The variables of FROM: those of the platform, and of the ARGs before the first stage. */
  globals(instructions: readonly InstructionOf<'ARG'>[], escape: string, target: string): Map<string, string> {
    const variables = new Map([...this.platform, ['TARGETSTAGE', target]]);
    for (const { variables: declared } of instructions) {
      for (const { name, value } of declared) {
        const known = this.#given(name) ?? (value === undefined ? undefined : expand(value, escape, variables));
        if (known !== undefined) variables.set(name, known);
      }
    }
    return variables;
  }

  /** The value that an ARG of a stage gives its variable; undefined for none. */
  declare(name: string, fallback: string | undefined, globals: Variables): string | undefined {
    return this.#given(name) ?? fallback ?? globals.get(name);
  }

  /** What every RUN sees without being told of it. */
  get hidden(): [string, string][] {
    return Object.entries(this.given).filter(([name]) => predefinedNames.has(name));
  }

  /** Names that no ARG has asked for. */
  get unused(): string[] {
    return Object.keys(this.given).filter(
      (name) =>
        !this.#used.has(name) &&
        !predefinedNames.has(name) &&
        !controlNames.has(name) &&
        !this.platform.has(name) &&
        !name.startsWith('BUILDKIT_'),
    );
  }

  #given(name: string): string | undefined {
    this.#used.add(name);
    return Object.hasOwn(this.given, name) ? this.given[name] : undefined;
  }
}

const expand = (text: string, escape: string, variables: Variables): string =>
  new ShellWords(escape, variables).expand(text);
