import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SLOWNESS } from './slowness.js';

const execute = promisify(execFile);

/** Runs a program that has to succeed; its stdout. */
export async function run(command: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await execute(command, args, { timeout: 60_000 * SLOWNESS, maxBuffer: 16 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const { stdout, stderr, message } = error as Error & { stdout?: string; stderr?: string };
    throw new Error(`${message}\n${stdout ?? ''}${stderr ?? ''}`, { cause: error });
  }
}

/** `skopeo` that trusts every image and every registry: it stands for the rest of the world. */
export const skopeo = (...args: string[]): Promise<string> => run('skopeo', '--insecure-policy', ...args);
