/** One way in which a server says it can be convinced: a part of `WWW-Authenticate`. */
export interface Challenge {
  /** In lower case: "basic", "bearer". */
  scheme: string;
  parameters: Readonly<Record<string, string>>;
}

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;
const space = /[ \t]*/y;

/** The challenges of all `WWW-Authenticate` headers (RFC 9110, 11.6.1). What cannot be read ends the reading, quietly. */
export function parseChallenges(headers: string | readonly string[] | undefined): Challenge[] {
  const values = headers === undefined ? [] : typeof headers === 'string' ? [headers] : headers;
  return values.flatMap(parseHeader);
}

function parseHeader(text: string): Challenge[] {
  const reader = new Reader(text);
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  for (;;) {
    reader.skip(',');
    const name = reader.token();
    if (name === undefined) return challenges;
    const value = reader.value();
    const current = challenges.at(-1);
    // A name that is not followed by "=" begins the next challenge.
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: {} });
    else if (current) current.parameters[name.toLowerCase()] = value;
    else return challenges;
  }
}

class Reader {
  #position = 0;

  constructor(readonly text: string) {}

  token(): string | undefined {
    return this.#take(token)?.[0];
  }

  /** What follows "=", or nothing if there is none. */
  value(): string | undefined {
    const start = this.#position;
    this.#take(space);
    if (this.text[this.#position] !== '=') {
      this.#position = start;
      return undefined;
    }
    this.#position++;
    this.#take(space);
    const inQuotes = this.#take(quoted);
    return inQuotes ? (inQuotes[1] ?? '').replace(/\\(.)/g, '$1') : (this.token() ?? '');
  }

  skip(separator: string): void {
    for (;;) {
      this.#take(space);
      if (this.text[this.#position] !== separator) return;
      this.#position++;
    }
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.text);
    if (found) this.#position = pattern.lastIndex;
    return found;
  }
}
