import { setFlagsFromString } from 'node:v8';
import { invalid } from '../errors.js';

// Patterns come from clients: one that backtracks without end is handed to V8's linear-time engine.
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks');

/** The `filters` parameter of lists and prunes: for each name the values of which one has to match. */
export class Filters {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]> = new Map()) {
    this.#values = values;
  }

  /**
   * Reads both encodings that clients send: `{"label":["a=b"]}` and the older `{"label":{"a=b":true}}`.
   * @throws GantryError (invalid)
   */
  static parse(text: string | undefined): Filters {
    if (!text) return new Filters();
    let decoded: unknown;
    try {
      decoded = JSON.parse(text);
    } catch {
      throw invalid('invalid filter');
    }
    if (decoded === null) return new Filters();
    if (typeof decoded !== 'object' || Array.isArray(decoded)) throw invalid('invalid filter');
    return new Filters(new Map(Object.entries(decoded).map(([name, values]) => [name, parseValues(values)])));
  }

  /** @throws GantryError naming the first filter that is not one of `names` */
  allow(...names: string[]): this {
    for (const name of this.#values.keys()) {
      if (!names.includes(name)) throw invalid(`invalid filter '${name}'`);
    }
    return this;
  }

  has(name: string): boolean {
    return this.get(name).length > 0;
  }

  get(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** Whether there is no such filter, or one of its values is `value`. */
  exact(name: string, value: string): boolean {
    return !this.has(name) || this.get(name).includes(value);
  }

  /** Whether there is no such filter, or `value` begins with one of its values. */
  prefix(name: string, value: string): boolean {
    return !this.has(name) || this.get(name).some((given) => value.startsWith(given));
  }

  /** Whether there is no such filter, or one of its values, read as a regular expression, is found in `value`. */
  pattern(name: string, value: string): boolean {
    return !this.has(name) || this.get(name).some((given) => given === value || compile(name, given).test(value));
  }

  /** Whether all of `label` (`key` or `key=value`) hold for these labels, and none of `label!` does. */
  labels(labels: Readonly<Record<string, string>> | null | undefined): boolean {
    return (
      this.get('label').every((wanted) => hasLabel(labels ?? {}, wanted)) &&
      !this.get('label!').some((unwanted) => hasLabel(labels ?? {}, unwanted))
    );
  }

  /** @throws GantryError when the filter has both values, or one that is neither true nor false */
  boolean(name: string, otherwise: boolean): boolean {
    if (!this.has(name)) return otherwise;
    const values = new Set(this.get(name).map(parseBoolean));
    const [value] = values;
    if (values.size !== 1 || value === undefined)
      throw invalid(`invalid filter '${name}=[${this.get(name).join(' ')}]'`);
    return value;
  }
}

function parseValues(values: unknown): string[] {
  if (values === null) return [];
  if (typeof values !== 'object') throw invalid('invalid filter');
  const list: unknown[] = Array.isArray(values) ? values : Object.keys(values);
  if (!list.every((value) => typeof value === 'string')) throw invalid('invalid filter');
  return list;
}

function parseBoolean(value: string): boolean | undefined {
  if (value === '1' || value.toLowerCase() === 'true') return true;
  if (value === '0' || value.toLowerCase() === 'false') return false;
  return undefined;
}

function compile(name: string, pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch {
    throw invalid(`invalid filter '${name}=${pattern}': not a regular expression`);
  }
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const separator = wanted.indexOf('=');
  const key = separator < 0 ? wanted : wanted.slice(0, separator);
  if (!Object.hasOwn(labels, key)) return false;
  return separator < 0 || labels[key] === wanted.slice(separator + 1);
}
