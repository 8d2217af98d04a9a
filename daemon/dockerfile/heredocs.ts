import { quotedWords } from './arguments.js';
import { ShellWords } from './shell-words.js';

/** A here-document of RUN, COPY or ADD: `<<NAME` … `NAME`. */
export interface Heredoc {
  name: string;
  content: string;
  /** Variables in it are expanded: its name is not quoted. */
  expand: boolean;
  /** `<<-NAME`: tabs at the start of its lines do not count. */
  stripTabs: boolean;
  /** The descriptor before the `<<`; undefined when there is none. */
  descriptor?: string;
}

const marker = /^(\d*)<<(-?)([^<\s]+)$/;
const instructions = /^(?:onbuild\s+)?(?:run|copy|add)\s/i;

/** The here-documents that begin on this logical line, their contents still to be read. */
export function heredocsOf(line: string, escape: string): Heredoc[] {
  if (!line.includes('<<') || !instructions.test(line)) return [];
  return quotedWords(line, escape).flatMap((word) => {
    const [, descriptor, dash, quotedName] = marker.exec(word) ?? [];
    if (quotedName === undefined) return [];
    const [name = ''] = new ShellWords(escape).split(quotedName);
    if (name === '') return [];
    const heredoc: Heredoc = { name, content: '', expand: !/['"\\]/.test(quotedName), stripTabs: dash === '-' };
    return [descriptor ? { ...heredoc, descriptor } : heredoc];
  });
}

/** Whether a physical line ends this here-document. */
export const endsHeredoc = ({ name, stripTabs }: Heredoc, line: string): boolean =>
  (stripTabs ? line.replace(/^\t+/, '') : line) === name;

/** A line of its content as it counts. */
export const heredocLine = ({ stripTabs }: Heredoc, line: string): string =>
  stripTabs ? line.replace(/^\t+/, '') : line;
