import { invalid } from '../errors.js';
import type { Shape } from './plan.js';

/**
 * Turns parsed JSON into what a handler is given, by the rules of Go's decoder, on which clients rely: member names match
 * in any case, members that are not known are dropped, null means absent, half of a surrogate pair becomes U+FFFD, and a wrong
 * type is an error that names the place. What a value may be (ranges, enumerations, required members) is left to the nouns.
 */
export class Decoder {
  /** For each object shape its member names in lower case. */
  readonly #names = new WeakMap<Record<string, Shape>, Map<string, string>>();

  constructor(readonly shapes: Readonly<Record<string, Shape>>) {}

  /** @throws GantryError (invalid) */
  decode(value: unknown, shape: Shape): unknown {
    return this.#decode(value, shape, '');
  }

  #decode(value: unknown, shape: Shape, place: string): unknown {
    switch (shape.kind) {
      case 'any':
        return value;
      case 'ref':
        return this.#decode(value, this.shapes[shape.name] ?? { kind: 'any' }, place);
      case 'string':
        if (typeof value !== 'string') throw mismatch(value, shape, place);
        return value.toWellFormed();
      case 'boolean':
      case 'number':
        if (typeof value !== shape.kind) throw mismatch(value, shape, place);
        return value;
      case 'integer':
        if (typeof value !== 'number' || !Number.isInteger(value) || value < shape.minimum || value > shape.maximum)
          throw mismatch(value, shape, place);
        return representable(value, shape);
      case 'strings':
        if (typeof value === 'string') return [value.toWellFormed()];
        return this.#array(value, { kind: 'array', of: { kind: 'string' } }, place);
      case 'array':
        return this.#array(value, shape, place);
      case 'map':
        return this.#map(value, shape, place);
      case 'object':
        return this.#object(value, shape, place);
    }
  }

  #array(value: unknown, shape: Shape & { kind: 'array' | 'map' }, place: string): unknown[] {
    if (!Array.isArray(value)) throw mismatch(value, shape, place);
    return value.map((element) => this.#element(element, shape.of, place));
  }

  #map(value: unknown, shape: Shape & { kind: 'array' | 'map' }, place: string): Record<string, unknown> {
    if (!isObject(value)) throw mismatch(value, shape, place);
    const result: Record<string, unknown> = {};
    for (const [name, member] of Object.entries(value)) {
      // defineProperty: a client's "__proto__" is a key like any other.
      Object.defineProperty(result, name.toWellFormed(), {
        value: this.#element(member, shape.of, place),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return result;
  }

  /** In a list or map, null cannot be absent: it is the empty value of its type. */
  #element(value: unknown, shape: Shape, place: string): unknown {
    return value === null ? this.#empty(shape) : this.#decode(value, shape, place);
  }

  #empty(shape: Shape): unknown {
    switch (shape.kind) {
      case 'any':
        return null;
      case 'ref':
        return this.#empty(this.shapes[shape.name] ?? { kind: 'any' });
      case 'string':
        return '';
      case 'boolean':
        return false;
      case 'number':
      case 'integer':
        return 0;
      case 'array':
      case 'strings':
        return [];
      case 'map':
      case 'object':
        return {};
    }
  }

  #object(value: unknown, shape: Shape & { kind: 'object' }, place: string): Record<string, unknown> {
    if (!isObject(value)) throw mismatch(value, shape, place);
    const result: Record<string, unknown> = {};
    for (const [given, member] of Object.entries(value)) {
      const name = Object.hasOwn(shape.members, given) ? given : this.#nameOf(given, shape.members);
      const memberShape = name === undefined ? undefined : shape.members[name];
      if (name === undefined || memberShape === undefined || member === null) continue;
      result[name] = this.#decode(member, memberShape, `${place}.${name}`);
    }
    return result;
  }

  #nameOf(given: string, members: Record<string, Shape>): string | undefined {
    let names = this.#names.get(members);
    if (!names) {
      names = new Map(Object.keys(members).map((name) => [name.toLowerCase(), name]));
      this.#names.set(members, names);
    }
    return names.get(given.toLowerCase());
  }
}

/**
 * The ends of 64 bits are no doubles: the nearest one lies beyond, and a client that is shown it cannot read the answer. So they
 * become the nearest one within.
 */
function representable(value: number, { minimum, maximum }: Shape & { kind: 'integer' }): number {
  const isEnd = !Number.isSafeInteger(value) && (value === minimum || value === maximum);
  return isEnd ? value * (1 - Number.EPSILON / 2) : value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mismatch(value: unknown, shape: Shape, place: string): Error {
  const target = place === '' ? 'value' : `struct field ${place}`;
  return invalid(
    `invalid JSON: json: cannot unmarshal ${describe(value, shape)} into Go ${target} of type ${typeName(shape)}`,
  );
}

function describe(value: unknown, shape: Shape): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number' && shape.kind === 'integer') return `number ${value}`;
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function typeName(shape: Shape): string {
  switch (shape.kind) {
    case 'any':
      return 'interface {}';
    case 'ref':
      return shape.name;
    case 'boolean':
      return 'bool';
    case 'number':
      return 'float64';
    case 'integer':
      return shape.type;
    case 'strings':
      return '[]string';
    case 'array':
      return `[]${typeName(shape.of)}`;
    case 'map':
      return `map[string]${typeName(shape.of)}`;
    default:
      return shape.kind;
  }
}
