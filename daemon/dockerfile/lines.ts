import type { Directives } from './directives.js';
import { DockerfileError, type Location } from './dockerfile-error.js';
import { endsHeredoc, heredocLine, heredocsOf, type Heredoc } from './heredocs.js';

/** One instruction with its continuation lines joined, without comments, and its here-documents. */
export interface LogicalLine {
  text: string;
  /** What the comments above it say. */
  comments: string[];
  heredocs: Heredoc[];
  location: Location;
}

/**
 * Joins physical lines to logical ones: the escape character at the end of a line continues it; comments and blank lines
 * in between do not end it.
 *
 * @throws DockerfileError for a here-document without its end
 */
export function logicalLines(lines: readonly string[], { escape }: Directives): LogicalLine[] {
  const reader = new LineReader(lines, escape);
  const result: LogicalLine[] = [];
  for (let line; (line = reader.next());) result.push(line);
  return result;
}

class LineReader {
  #position = 0;
  readonly #continued: RegExp;

  constructor(
    readonly lines: readonly string[],
    readonly escape: string,
  ) {
    const character = `\\${escape}`;
    // An escaped escape character at the end is that character, and continues nothing.
    this.#continued = new RegExp(`(^|[^${character}])${character}[ \\t]*$`);
  }

  next(): LogicalLine | undefined {
    const comments: string[] = [];
    while (this.#position < this.lines.length && isSkipped(this.lines[this.#position]!)) {
      const [, comment] = /^\s*#\s*(.*?)\s*$/.exec(this.lines[this.#position++]!) ?? [];
      if (comment !== undefined) comments.push(comment);
    }
    if (this.#position >= this.lines.length) return undefined;
    const first = this.#position;
    const text = this.#join().trim();
    const heredocs = heredocsOf(text, this.escape);
    const location = (): Location => ({
      line: first + 1,
      lastLine: this.#position,
      text: this.lines.slice(first, this.#position).join('\n'),
    });
    for (const heredoc of heredocs) this.#readHeredoc(heredoc, location);
    return { text, comments, heredocs, location: location() };
  }

  #join(): string {
    let text = '';
    while (this.#position < this.lines.length) {
      const line = this.lines[this.#position++]!;
      if (text !== '' && isSkipped(line)) continue;
      const part = text === '' ? line.trimStart() : line;
      if (!this.#continued.test(part)) return text + part;
      text += part.replace(this.#continued, '$1');
      // What is joined so far must count as begun, or comments behind a lone escape character would end it.
      if (text === '') text = ' ';
    }
    return text;
  }

  #readHeredoc(heredoc: Heredoc, location: () => Location): void {
    const content: string[] = [];
    while (this.#position < this.lines.length) {
      const line = this.lines[this.#position++]!;
      if (endsHeredoc(heredoc, line)) {
        heredoc.content = content.map((text) => `${text}\n`).join('');
        return;
      }
      content.push(heredocLine(heredoc, line));
    }
    throw new DockerfileError(`unterminated heredoc: no line "${heredoc.name}" ends it`, location());
  }
}

const isSkipped = (line: string): boolean => /^\s*(#|$)/.test(line);
