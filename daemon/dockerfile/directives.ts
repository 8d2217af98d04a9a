import { DockerfileError } from './dockerfile-error.js';

/** What the comments at the very top of a Dockerfile set: `# syntax=…`, `# escape=…`, `# check=…`. */
export interface Directives {
  /** Kept for the record: every syntax is read by the built-in front end. */
  syntax?: string;
  escape: '\\' | '`';
  check?: string;
}

const directive = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const names = ['syntax', 'escape', 'check'];

/**
 * Reads the directives. They end at the first line that is not one: a comment, a blank line, an instruction.
 *
 * @see https://docs.docker.com/reference/dockerfile/#parser-directives
 * @throws DockerfileError for one that is given twice, or an escape character that is neither \ nor `
 */
export function readDirectives(lines: readonly string[]): Directives {
  const directives: Directives = { escape: '\\' };
  const seen = new Set<string>();
  for (const [index, text] of lines.entries()) {
    const [, name = '', value = ''] = directive.exec(text) ?? [];
    const key = name.toLowerCase();
    if (!names.includes(key)) break;
    const location = { line: index + 1, lastLine: index + 1, text };
    if (seen.has(key)) throw new DockerfileError(`only one ${key} parser directive can be used`, location);
    seen.add(key);
    if (key === 'escape') {
      if (value !== '\\' && value !== '`') {
        throw new DockerfileError(`invalid escape '${value}': it must be \` or \\`, location);
      }
      directives.escape = value;
    } else directives[key as 'syntax' | 'check'] = value;
  }
  return directives;
}
