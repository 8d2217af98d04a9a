import { invalid } from '../errors.js';
import { quotedWords } from './arguments.js';
import { ShellWords } from './shell-words.js';

/** The `--name=value` words before the arguments of an instruction. */
export interface Flags {
  /** In order; a flag without `=` has the value undefined. */
  given: { name: string; value: string | undefined }[];
  /** What follows them. */
  rest: string;
}

/** Splits flags from the arguments. They end at the first word that is none, or at `--`. */
export function splitFlags(text: string, escape: string): Flags {
  const given: Flags['given'] = [];
  // Takes away quotes; variables stay for later.
  const words = new ShellWords(escape);
  let rest = text.trimStart();
  while (rest.startsWith('--')) {
    const [word = ''] = quotedWords(rest, escape);
    rest = rest.slice(word.length).trimStart();
    if (word === '--') break;
    const equals = word.indexOf('=');
    const name = word.slice(2, equals < 0 ? undefined : equals).toLowerCase();
    given.push({ name, value: equals < 0 ? undefined : words.expand(word.slice(equals + 1)) });
  }
  return { given, rest };
}

/** Reads the flags of one instruction, each at most once unless it may repeat. */
export class FlagReader {
  readonly #used = new Set<string>();

  constructor(
    readonly instruction: string,
    readonly flags: Flags,
  ) {}

  /** The value of a flag that takes one. @throws GantryError invalid when it is given twice or without a value */
  value(name: string): string | undefined {
    const values = this.values(name);
    if (values.length > 1) throw invalid(`duplicate flag specified: --${name}`);
    return values[0];
  }

  values(name: string): string[] {
    this.#used.add(name);
    return this.flags.given
      .filter((flag) => flag.name === name)
      .map(({ value }) => {
        if (value === undefined) throw invalid(`missing a value on flag: --${name}`);
        return value;
      });
  }

  /** A flag that is on when it stands there, or says so. */
  boolean(name: string): boolean {
    this.#used.add(name);
    const [flag, second] = this.flags.given.filter((given) => given.name === name);
    if (second) throw invalid(`duplicate flag specified: --${name}`);
    if (!flag) return false;
    const value = (flag.value ?? 'true').toLowerCase();
    if (value !== 'true' && value !== 'false')
      throw invalid(`expecting boolean value for flag --${name}, not: ${value}`);
    return value === 'true';
  }

  /** @throws GantryError invalid, naming the first flag that nobody asked for */
  finish(): void {
    const unknown = this.flags.given.find(({ name }) => !this.#used.has(name));
    if (!unknown) return;
    const known = [...this.#used].map((name) => `--${name}`).join(', ');
    throw invalid(`unknown flag: --${unknown.name}: ${this.instruction} takes ${known || 'no flags'}`);
  }
}
