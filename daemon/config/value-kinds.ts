/** How the value of one option is read from a flag and from daemon.json, and how messages show it. */
export interface ValueKind<T> {
  /** What `--help` shows after the flag; empty for switches, which need no value. */
  placeholder: string;
  /**
   * @param sofar what earlier occurrences of the same flag gave
   * @throws Error whose message is the reason alone
   */
  fromFlag(text: string, sofar: T | undefined): T;
  /** @throws Error whose message is the reason alone */
  fromFile(value: unknown): T;
  /** As Go prints it, which is what dockerd's messages look like: `[a b]`, `map[k:v]`. */
  show(value: T): string;
}

type Parse<T> = (text: string) => T;

function jsonType(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function expectString(value: unknown): string {
  if (typeof value !== 'string') throw new Error(`expected a string, got ${jsonType(value)}`);
  if (value.includes('\0')) throw new Error('must not contain a NUL character');
  return value;
}

export function expectObject(value: unknown): Record<string, unknown> {
  if (jsonType(value) !== 'object') throw new Error(`expected an object, got ${jsonType(value)}`);
  return value as Record<string, unknown>;
}

/** Text that `parse` accepts, returned as `parse` normalised it. */
export function text(placeholder = 'string', parse: Parse<string> = (value) => value): ValueKind<string> {
  return {
    placeholder,
    fromFlag: (value) => parse(expectString(value)),
    fromFile: (value) => parse(expectString(value)),
    show: (value) => value,
  };
}

/** One of a few words. */
export function word<const T extends string>(
  words: readonly T[],
  message: (given: string) => string = (given) => `"${given}" is not one of ${words.join(', ')}`,
): ValueKind<T> {
  const parse = (value: string): T => {
    const known = words.find((candidate) => candidate === value);
    if (known === undefined) throw new Error(message(value));
    return known;
  };
  return {
    placeholder: words.filter((candidate) => candidate !== '').join('|'),
    fromFlag: parse,
    fromFile: (value) => parse(expectString(value)),
    show: (value) => value,
  };
}

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/** A switch; `check` may refuse a value that Gantry does not support. */
export function boolean(check: (value: boolean) => void = () => undefined): ValueKind<boolean> {
  const checked = (value: boolean): boolean => {
    check(value);
    return value;
  };
  return {
    placeholder: '',
    fromFlag: (value) => {
      if (TRUE.has(value)) return checked(true);
      if (FALSE.has(value)) return checked(false);
      throw new Error('expected true or false');
    },
    fromFile: (value) => {
      if (typeof value !== 'boolean') throw new Error(`expected true or false, got ${jsonType(value)}`);
      return checked(value);
    },
    show: String,
  };
}

/** A whole number between `minimum` and `maximum`. */
export function integer(minimum: number, maximum: number): ValueKind<number> {
  const checked = (value: number): number => {
    if (!Number.isSafeInteger(value)) throw new Error('expected a whole number');
    if (value < minimum || value > maximum) throw new Error(`must be between ${minimum} and ${maximum}`);
    return value;
  };
  return {
    placeholder: 'int',
    fromFlag: (value) => {
      if (!/^[+-]?\d+$/.test(value)) throw new Error('expected a whole number');
      return checked(Number(value));
    },
    fromFile: (value) => {
      if (typeof value !== 'number') throw new Error(`expected a number, got ${jsonType(value)}`);
      return checked(value);
    },
    show: String,
  };
}

/** A size in bytes: "64m", "1.5GiB", or a number. */
export function bytes(parse: Parse<number>): ValueKind<number> {
  return {
    placeholder: 'bytes',
    fromFlag: parse,
    fromFile: (value) => (typeof value === 'number' ? parse(String(value)) : parse(expectString(value))),
    show: String,
  };
}

/** A flag that may be given several times; in the file an array. */
export function list(placeholder: string, parse: Parse<string>): ValueKind<string[]> {
  return {
    placeholder,
    fromFlag: (value, sofar = []) => [...sofar, parse(expectString(value))],
    fromFile: (value) => {
      if (!Array.isArray(value)) throw new Error(`expected an array, got ${jsonType(value)}`);
      return value.map((element) => parse(expectString(element)));
    },
    show: (value) => `[${value.join(' ')}]`,
  };
}

/** `key=value` flags; in the file an object. `entry` reads one of either. */
export function map<T>(
  placeholder: string,
  kind: { fromFlag: Parse<[string, T]>; fromFile: (name: string, value: unknown) => T; show?: (value: T) => string },
): ValueKind<Record<string, T>> {
  return {
    placeholder,
    fromFlag: (value, sofar = {}) => {
      const [name, entry] = kind.fromFlag(expectString(value));
      return { ...sofar, [name]: entry };
    },
    fromFile: (value) =>
      Object.fromEntries(
        Object.entries(expectObject(value)).map(([name, entry]) => [name, kind.fromFile(name, entry)]),
      ),
    show: (value) => {
      const show = kind.show ?? JSON.stringify;
      const entries = Object.entries(value).map(([name, entry]) => `${name}:${show(entry)}`);
      return `map[${entries.join(' ')}]`;
    },
  };
}

/** Names mapped to text. */
export const textMap = (placeholder: string): ValueKind<Record<string, string>> =>
  map(placeholder, {
    fromFlag: (value) => {
      const split = value.indexOf('=');
      if (split <= 0) throw new Error(`${value} must be formatted as key=value`);
      return [value.slice(0, split), value.slice(split + 1)];
    },
    fromFile: (_name, value) => expectString(value),
    show: (value) => value,
  });
