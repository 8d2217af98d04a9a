import { invalid } from '../errors.js';
import { Filters } from './filters.js';
import type { QueryParameter } from './plan.js';

const FALSE = new Set(['', '0', 'no', 'false', 'none']);

/**
 * The query of a URL as its operation documents it. An empty value is an absent one. Unknown parameters are dropped, as
 * Docker does; of a repeated one the first counts, except for lists.
 * @throws GantryError (invalid)
 */
export function decodeQuery(text: string, parameters: readonly QueryParameter[]): Record<string, unknown> {
  const given = new URLSearchParams(text);
  const query: Record<string, unknown> = {};
  for (const parameter of parameters) {
    const value = decodeParameter(given, parameter);
    if (value !== undefined) query[parameter.name] = value;
  }
  return query;
}

function decodeParameter(given: URLSearchParams, parameter: QueryParameter): unknown {
  const text = given.get(parameter.name) ?? '';
  switch (parameter.kind) {
    case 'array':
      return given.getAll(parameter.name).filter((value) => value !== '');
    case 'filters':
      return Filters.parse(text);
    case 'boolean':
      if (!given.has(parameter.name)) return parameter.default ?? false;
      // Docker takes everything for true that is not one of its words for false.
      return !FALSE.has(text.trim().toLowerCase());
    case 'integer':
      return text === '' ? parameter.default : parseInteger(text);
    case 'string':
      return text === '' ? parameter.default : text;
  }
}

function parseInteger(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw invalid(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  const value = Number(text);
  if (Math.abs(value) >= 2 ** 63) throw invalid(`strconv.Atoi: parsing ${JSON.stringify(text)}: value out of range`);
  return value;
}
