import { invalid } from '../errors.js';

/** Larger than any real configuration or manifest; registries refuse 4 MiB as well. */
export const maxDocumentBytes = 4 * 1024 * 1024;

export type JsonObject = Record<string, unknown>;

/** Parses a document from an image that someone else wrote. @throws GantryError invalid, naming it */
export function parseObject(content: Uint8Array, what: string): JsonObject {
  const value = parseJson(content, what);
  if (!isObject(value)) throw invalid(`${what} is not a JSON object`);
  return value;
}

export function parseJson(content: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content)) as unknown;
  } catch (cause) {
    throw invalid(`${what} is not valid JSON: ${(cause as Error).message}`, cause);
  }
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isStringArray = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((entry) => typeof entry === 'string');

export const isStringMap = (value: unknown): value is Record<string, string> =>
  isObject(value) && Object.values(value).every((entry) => typeof entry === 'string');
