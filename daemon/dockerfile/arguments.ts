import { invalid } from '../errors.js';
import { isStringArray } from '../images/json-document.js';

/** A command in one of its two forms: a JSON list that is executed as it is, or a line for the shell. */
export type Command = { form: 'exec'; words: string[] } | { form: 'shell'; line: string };

/** A JSON list of strings; undefined for anything else, which then is read as plain text. */
export function jsonWords(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isStringArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function parseCommand(text: string): Command {
  const words = jsonWords(text);
  return words ? { form: 'exec', words } : { form: 'shell', line: text };
}

/** A JSON list, or words between white space. Quotes mean nothing yet: the words are expanded later. */
export function parseList(text: string): string[] {
  return jsonWords(text) ?? text.split(/\s+/).filter((word) => word !== '');
}

/**
 * `name=value other="two words"`, or the older `name the rest`. Values keep their quotes: they are expanded later.
 *
 * @throws GantryError invalid
 */
export function parsePairs(instruction: string, text: string, escape: string): [string, string][] {
  if (text === '') throw invalid(`${instruction} requires at least one argument`);
  const words = quotedWords(text, escape);
  if (!words[0]!.includes('=')) {
    const [, name = '', value = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
    if (value === '') throw invalid(`${instruction} must have two arguments`);
    return [[name, value]];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) throw invalid(`Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    if (equals === 0) throw invalid(`${instruction} names can not be blank`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

/** Words between white space that is neither quoted nor escaped, as they are written. */
export function quotedWords(text: string, escape: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (!quote && /\s/.test(character)) {
      if (word) words.push(word);
      word = '';
      continue;
    }
    word += character;
    if (character === escape && quote !== "'") word += text[++index] ?? '';
    else if (quote) quote = character === quote ? '' : quote;
    else if (character === '"' || character === "'") quote = character;
  }
  return word ? [...words, word] : words;
}
