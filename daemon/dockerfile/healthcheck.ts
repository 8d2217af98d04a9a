import { invalid } from '../errors.js';
import { parseDuration } from '../http/time.js';
import type { HealthConfig } from '../images/image-document.js';
import { parseCommand } from './arguments.js';
import type { FlagReader } from './flags.js';

/** HEALTHCHECK [--interval=…] CMD …, or NONE. @throws GantryError invalid */
export function parseHealthcheck(flags: FlagReader, text: string): HealthConfig {
  const health: HealthConfig = {};
  const durations = {
    Interval: duration(flags, 'interval'),
    Timeout: duration(flags, 'timeout'),
    StartPeriod: duration(flags, 'start-period'),
    StartInterval: duration(flags, 'start-interval'),
  };
  for (const [field, value] of Object.entries(durations)) if (value !== undefined) health[field as 'Interval'] = value;
  const retries = flags.value('retries');
  if (retries !== undefined) {
    if (!/^\d+$/.test(retries)) throw invalid(`--retries must be a number of at least 0, not "${retries}"`);
    health.Retries = Number(retries);
  }
  const [, kind = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  if (kind.toUpperCase() === 'NONE') {
    if (rest !== '' || Object.keys(health).length > 0) throw invalid('HEALTHCHECK NONE takes no arguments');
    return { Test: ['NONE'] };
  }
  if (kind.toUpperCase() !== 'CMD') throw invalid(`Unknown type "${kind}" in HEALTHCHECK (try CMD)`);
  if (rest === '') throw invalid('Missing command after HEALTHCHECK CMD');
  const command = parseCommand(rest);
  const test = command.form === 'exec' ? ['CMD', ...command.words] : ['CMD-SHELL', command.line];
  return { ...health, Test: test };
}

function duration(flags: FlagReader, name: string): number | undefined {
  const text = flags.value(name);
  if (text === undefined) return undefined;
  const value = parseDuration(text);
  if (value === undefined || value < 0n) throw invalid(`time: invalid duration "${text}"`);
  if (value > 0n && value < 1_000_000n) throw invalid(`Interval of --${name} cannot be less than 1ms`);
  return Number(value);
}
