import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { conflict, invalid } from '../errors.js';
import type { Addon } from '../runtime/addon.js';
import { type Container, restarting } from './container.js';
import type { Launcher } from './launch.js';

const run = promisify(execFile);

export interface ProcessList {
  Titles: string[];
  Processes: string[][];
}

/** The processes of a container, as the host's ps shows them with these arguments. */
export async function listProcesses(
  addon: Addon,
  launcher: Launcher,
  container: Container,
  psArguments: string,
): Promise<ProcessList> {
  if (container.state.status === 'restarting') throw restarting(container);
  if (!container.running) throw conflict(`container ${container.id} is not running`);
  const args = (psArguments || '-ef').split(/\s+/).filter(Boolean);
  // A tag of its own for the pid column would be taken for the column itself.
  if (args.some((arg) => /pid=(?!PID)/i.test(arg))) {
    throw invalid(`specified ps args produce a column that Gantry cannot find the PID in: "${psArguments}"`);
  }
  const members = new Set(await addon.cgroupProcesses(launcher.cgroupPath(container)));
  try {
    const { stdout } = await run('ps', args, { maxBuffer: 64 * 1024 * 1024 });
    return parse(stdout, members);
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw invalid(`ps: ${(stderr || message).trim().split('\n')[0]}`, error);
  }
}

/** The last column may have spaces in it: it takes what is left of the line. */
function parse(output: string, members: ReadonlySet<number>): ProcessList {
  const [header = '', ...lines] = output.split('\n');
  const titles = header.trim().split(/\s+/);
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) throw invalid("Couldn't find PID field in ps output");
  const processes = lines
    .map((line) => splitFields(line.trim(), titles.length))
    .filter((fields) => members.has(Number(fields[pidColumn])));
  return { Titles: titles, Processes: processes };
}

function splitFields(line: string, count: number): string[] {
  const fields = line.split(/\s+/);
  return fields.length <= count ? fields : [...fields.slice(0, count - 1), fields.slice(count - 1).join(' ')];
}
