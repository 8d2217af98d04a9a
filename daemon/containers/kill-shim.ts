import { readFileSync } from 'node:fs';

/** Kills the shim of a bundle, if the process is that: its number may have been given to another one. */
export function killShim(pid: number, bundle: string): void {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    if (words.includes(bundle)) process.kill(pid, 'SIGKILL');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ESRCH') throw error;
  }
}
