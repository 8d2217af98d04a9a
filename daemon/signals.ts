import { constants } from 'node:os';
import { invalid } from './errors.js';

/** "KILL", "SIGKILL", "sigkill", "9", "SIGRTMIN+3": the number. @throws GantryError invalid */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number < 1 || number > 64) throw invalid(`invalid signal: ${text}`);
    return number;
  }
  const name = text.toUpperCase().replace(/^(SIG)?/, 'SIG');
  const realTime = /^SIGRTM(IN|AX)(?:([+-])(\d{1,2}))?$/.exec(name);
  const number = realTime ? realTimeSignal(realTime) : (constants.signals as Record<string, number>)[name];
  if (number === undefined || number < 1 || number > 64) throw invalid(`invalid signal: ${text}`);
  return number;
}

/** glibc keeps 32 and 33 for itself, so SIGRTMIN is 34 for programs. */
function realTimeSignal([, edge, sign, offset = '0']: RegExpExecArray): number {
  const base = edge === 'IN' ? 34 : 64;
  return sign === '-' ? base - Number(offset) : base + Number(offset);
}
