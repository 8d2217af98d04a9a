import { GantryError } from '../errors.js';

/** Where something stands in a Dockerfile: its first and last line, counted from 1, and its text as written. */
export interface Location {
  line: number;
  lastLine: number;
  text: string;
}

/** A mistake in a Dockerfile. The message names the line and shows it. */
export class DockerfileError extends GantryError {
  constructor(
    readonly reason: string,
    readonly location: Location,
  ) {
    super('invalid', `dockerfile parse error on line ${location.line}: ${reason}\n  ${excerpt(location)}`);
    this.name = 'DockerfileError';
  }
}

const longestExcerpt = 200;

function excerpt({ line, text }: Location): string {
  const [first = ''] = text.split('\n');
  const shown = first.length > longestExcerpt ? `${first.slice(0, longestExcerpt)}…` : first;
  return `${line} | ${shown.trimEnd()}`;
}
