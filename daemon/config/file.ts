import { readFileSync } from 'node:fs';
import { everyOption, type GivenValues, type Option, type OptionName } from './options.js';
import { refusedKey } from './refused-options.js';
import { nearest } from '../suggestion.js';
import { expectObject } from './value-kinds.js';

/** A configuration file that cannot be used; the message says which file and why. */
export class ConfigFileError extends Error {
  constructor(path: string, reason: string) {
    super(`unable to configure the Gantry daemon with file ${path}: ${reason}`);
  }
}

const byKey = new Map<string, [OptionName, Option<unknown>]>();
for (const [name, option] of everyOption) if (option.key !== undefined) byKey.set(option.key, [name, option]);

/**
 * Reads daemon.json. An empty file says nothing, and so does an absent one unless `required`.
 * @throws ConfigFileError
 */
export function readConfigFile(path: string, required: boolean): GivenValues {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    if (!required && (error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new ConfigFileError(path, (error as Error).message);
  }
  try {
    return parseConfig(content);
  } catch (error) {
    throw new ConfigFileError(path, (error as Error).message);
  }
}

function parseConfig(content: string): GivenValues {
  // A byte order mark is what Windows editors leave behind.
  const document = content.replace(/^\uFEFF/, '').trim();
  if (document === '') return {};
  const entries = Object.entries(expectObject(parseJson(document)));
  refuseUnknownKeys(entries.map(([key]) => key));
  const given: GivenValues = {};
  for (const [key, value] of entries) {
    const [name, option] = byKey.get(key) ?? [];
    // dockerd takes null for "not set".
    if (name === undefined || option === undefined || value === null) continue;
    try {
      given[name] = option.kind.fromFile(value);
    } catch (error) {
      throw new Error(`invalid value for "${key}": ${(error as Error).message}`, { cause: error });
    }
  }
  return given;
}

function parseJson(document: string): unknown {
  try {
    return JSON.parse(document);
  } catch (error) {
    throw new Error(`invalid JSON: ${(error as Error).message}`, { cause: error });
  }
}

function refuseUnknownKeys(keys: string[]): void {
  const strangers = keys.filter((key) => !byKey.has(key));
  const unknown = strangers.filter((key) => refusedKey(key) === undefined);
  if (unknown.length > 0) {
    const named = unknown.map((key) => {
      const meant = nearest(key, [...byKey.keys()]);
      return meant === undefined ? key : `${key} (did you mean ${meant}?)`;
    });
    throw new Error(`the following directives don't match any configuration option: ${named.join(', ')}`);
  }
  const [refused] = strangers;
  if (refused !== undefined) throw new Error(`"${refused}" is not supported: ${refusedKey(refused)}`);
}
