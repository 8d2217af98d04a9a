import { invalid } from '../errors.js';

/** Values of variables while a Dockerfile instruction is read: the image's environment so far. */
export type Variables = ReadonlyMap<string, string>;

/**
 * Splits the rest of an instruction at white space, as a shell would: quotes group, a backslash takes the next character
 * as it is, `$name`, `${name}`, `${name:-otherwise}` and `${name:+instead}` are replaced outside single quotes.
 *
 * @throws GantryError invalid for a quote or brace that is not closed
 */
export function splitWords(text: string, variables?: Variables): string[] {
  return new WordReader(text, variables).words();
}

/** The whole rest as one word, with quotes and variables resolved (`ENV name the rest`). */
export function expandText(text: string, variables?: Variables): string {
  return new WordReader(text, variables).all();
}

class WordReader {
  #position = 0;

  constructor(
    readonly text: string,
    readonly variables: Variables | undefined,
  ) {}

  words(): string[] {
    const words: string[] = [];
    for (;;) {
      while (/\s/.test(this.#current)) this.#position++;
      if (this.#atEnd) return words;
      words.push(this.#word((character) => /\s/.test(character)));
    }
  }

  all(): string {
    return this.#word(() => false);
  }

  get #atEnd(): boolean {
    return this.#position >= this.text.length;
  }

  get #current(): string {
    return this.text[this.#position] ?? '';
  }

  #word(endsAt: (character: string) => boolean): string {
    let word = '';
    while (!this.#atEnd && !endsAt(this.#current)) {
      const character = this.#current;
      if (character === "'") word += this.#singleQuoted();
      else if (character === '"') word += this.#doubleQuoted();
      else if (character === '\\') word += this.#escaped();
      else if (character === '$' && this.variables) word += this.#variable();
      else {
        word += character;
        this.#position++;
      }
    }
    return word;
  }

  #singleQuoted(): string {
    const end = this.text.indexOf("'", this.#position + 1);
    if (end < 0) throw invalid(`unexpected end of statement while looking for matching single-quote: ${this.text}`);
    const quoted = this.text.slice(this.#position + 1, end);
    this.#position = end + 1;
    return quoted;
  }

  #doubleQuoted(): string {
    this.#position++;
    let quoted = '';
    while (!this.#atEnd && this.#current !== '"') {
      if (this.#current === '\\') {
        const next = this.text[this.#position + 1] ?? '';
        quoted += '"$\\'.includes(next) ? next : `\\${next}`;
        this.#position += 2;
      } else if (this.#current === '$' && this.variables) quoted += this.#variable();
      else {
        quoted += this.#current;
        this.#position++;
      }
    }
    if (this.#atEnd) throw invalid(`unexpected end of statement while looking for matching double-quote: ${this.text}`);
    this.#position++;
    return quoted;
  }

  #escaped(): string {
    const next = this.text[this.#position + 1] ?? '';
    this.#position += 2;
    return next;
  }

  #variable(): string {
    const rest = this.text.slice(this.#position);
    const plain = /^\$([A-Za-z_][A-Za-z0-9_]*|[0-9])/.exec(rest);
    if (plain) {
      this.#position += plain[0].length;
      return this.variables?.get(plain[1] ?? '') ?? '';
    }
    if (!rest.startsWith('${')) {
      this.#position++;
      return '$';
    }
    const braced = /^\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])([^}]*))?\}/.exec(rest);
    if (!braced) throw invalid(`unsupported variable expression in: ${this.text}`);
    this.#position += braced[0].length;
    const value = this.variables?.get(braced[1] ?? '') ?? '';
    if (braced[2] === '-') return value || (braced[3] ?? '');
    if (braced[2] === '+') return value ? (braced[3] ?? '') : '';
    return value;
  }
}
