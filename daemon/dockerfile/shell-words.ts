import { invalid } from '../errors.js';
import { replaceMatch, trimMatch } from './shell-pattern.js';

/** Variables that an instruction can name. */
export type Variables = ReadonlyMap<string, string>;

/** A piece of a word; what a variable stood for outside quotes is split at its white space. */
interface Piece {
  text: string;
  splits: boolean;
}

const name = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#!?$-])/;

/**
 * Reads words as Dockerfile instructions do, which is nearly as a shell does: quotes group, the escape character takes
 * the next one as it is, variables are replaced outside single quotes: `$name`, `${name}`, and `${name…}` with `:-` `-`
 * `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`.
 *
 * @see https://docs.docker.com/reference/dockerfile/#environment-replacement
 */
export class ShellWords {
  /** @param variables without them a `$` is itself */
  constructor(
    readonly escape: string = '\\',
    readonly variables?: Variables,
  ) {}

  /** Splits at white space. @throws GantryError invalid for a quote or brace that is not closed */
  split(text: string): string[] {
    const reader = new Reader(text, this);
    const words: string[] = [];
    for (;;) {
      reader.skipSpace();
      if (reader.atEnd) return words;
      words.push(...splitPieces(reader.pieces((character) => /\s/.test(character))));
    }
  }

  /** The whole text as one word. @throws GantryError invalid */
  expand(text: string): string {
    return joinPieces(new Reader(text, this).pieces(() => false));
  }

  /** Replaces only the variables and escaped dollars of a text, and leaves quotes alone: here-documents. */
  expandContent(text: string): string {
    return new Reader(text, this).content();
  }
}

const joinPieces = (pieces: readonly Piece[]): string => pieces.map(({ text }) => text).join('');

function splitPieces(pieces: readonly Piece[]): string[] {
  const words: string[] = [];
  let open = false;
  for (const { text, splits } of pieces) {
    const parts = splits ? text.split(/\s+/) : [text];
    for (const [index, part] of parts.entries()) {
      if (index > 0) open = false;
      if (splits && part === '') continue;
      if (open) words.push(words.pop()! + part);
      else words.push(part);
      open = true;
    }
  }
  return words;
}

class Reader {
  #position = 0;

  constructor(
    readonly text: string,
    readonly words: ShellWords,
  ) {}

  get atEnd(): boolean {
    return this.#position >= this.text.length;
  }

  get #current(): string {
    return this.text[this.#position] ?? '';
  }

  skipSpace(): void {
    while (/\s/.test(this.#current)) this.#position++;
  }

  /** @param mark what to put before an escaped character: in a pattern it must stay marked as literal */
  pieces(endsAt: (character: string) => boolean, mark = ''): Piece[] {
    const pieces: Piece[] = [];
    while (!this.atEnd && !endsAt(this.#current)) {
      const character = this.#current;
      if (character === "'") pieces.push({ text: this.#singleQuoted(), splits: false });
      else if (character === '"') pieces.push({ text: this.#doubleQuoted(), splits: false });
      else if (character === '$' && this.words.variables) pieces.push({ text: this.#variable(), splits: true });
      else if (character === this.words.escape) pieces.push({ text: mark + this.#escaped(), splits: false });
      else {
        pieces.push({ text: character, splits: false });
        this.#position++;
      }
    }
    return pieces;
  }

  content(): string {
    let content = '';
    while (!this.atEnd) {
      const character = this.#current;
      const next = this.text[this.#position + 1];
      if (character === '$') content += this.#variable();
      else if (character === this.words.escape && (next === '$' || next === this.words.escape))
        content += this.#escaped();
      else {
        content += character;
        this.#position++;
      }
    }
    return content;
  }

  #escaped(): string {
    const next = this.text[this.#position + 1] ?? '';
    this.#position += 2;
    return next;
  }

  #singleQuoted(): string {
    const end = this.text.indexOf("'", this.#position + 1);
    if (end < 0) throw invalid(`unexpected end of statement while looking for matching single-quote: ${this.text}`);
    const quoted = this.text.slice(this.#position + 1, end);
    this.#position = end + 1;
    return quoted;
  }

  #doubleQuoted(): string {
    const { escape, variables } = this.words;
    this.#position++;
    let quoted = '';
    while (!this.atEnd && this.#current !== '"') {
      const next = this.text[this.#position + 1] ?? '';
      if (this.#current === escape && next !== '') {
        quoted += next === '"' || next === '$' || next === escape ? next : escape + next;
        this.#position += 2;
      } else if (this.#current === '$' && variables) quoted += this.#variable();
      else {
        quoted += this.#current;
        this.#position++;
      }
    }
    if (this.atEnd) throw invalid(`unexpected end of statement while looking for matching double-quote: ${this.text}`);
    this.#position++;
    return quoted;
  }

  #variable(): string {
    this.#position++;
    if (this.#current !== '{') {
      const [plain] = name.exec(this.text.slice(this.#position)) ?? [];
      if (plain === undefined) return '$';
      this.#position += plain.length;
      return this.#value(plain) ?? '';
    }
    this.#position++;
    const [braced] = name.exec(this.text.slice(this.#position)) ?? [];
    if (braced === undefined) throw invalid(`bad substitution: a name is missing after \${ in: ${this.text}`);
    this.#position += braced.length;
    return this.#modified(braced);
  }

  #value(variable: string): string | undefined {
    return this.words.variables?.get(variable);
  }

  /** The rest of `${name…}`. */
  #modified(variable: string): string {
    const value = this.#value(variable);
    const [, operator] = /^(}|:[-+?]|[-+?]|##?|%%?|\/\/?)/.exec(this.text.slice(this.#position)) ?? [];
    if (operator === undefined)
      throw invalid(`unsupported modifier or missing '}' after \${${variable} in: ${this.text}`);
    this.#position += operator.length;
    if (operator === '}') return value ?? '';
    if (operator.startsWith('/')) return this.#replaced(value ?? '', operator === '//');
    const isPattern = operator.startsWith('#') || operator.startsWith('%');
    const word = this.#word('}', isPattern ? '\\' : '');
    const present = operator.startsWith(':') ? Boolean(value) : value !== undefined;
    switch (operator.at(-1)) {
      case '-':
        return present ? (value ?? '') : word;
      case '+':
        return present ? word : '';
      case '?':
        if (present) return value ?? '';
        throw invalid(`${variable}: ${word || `is not allowed to be ${operator === '?' ? 'unset' : 'empty'}`}`);
      case '#':
        return trimMatch(value ?? '', word, 'start', operator === '##');
      default:
        return trimMatch(value ?? '', word, 'end', operator === '%%');
    }
  }

  #replaced(value: string, all: boolean): string {
    const pattern = this.#word('/', '\\');
    const replacement = this.#word('}');
    return replaceMatch(value, pattern, replacement, all);
  }

  /** The word up to a character that ends it, which is consumed. */
  #word(end: string, mark = ''): string {
    const word = joinPieces(this.pieces((character) => character === end, mark));
    if (this.atEnd) throw invalid(`syntax error: missing '${end}' in: ${this.text}`);
    this.#position++;
    return word;
  }
}
