import { invalid } from '../errors.js';

export interface Time {
  /** Since 1970. */
  nanoseconds: bigint;
  milliseconds: number;
}

const UNIT_NANOSECONDS: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
const SECOND = 1_000_000_000n;

/**
 * Reads a point in time as clients write it: seconds since 1970 with an optional fraction, RFC 3339 (also a date, or a date
 * and time without a zone, which is UTC), or a Go duration ("1h30m") that goes back from now.
 * @throws GantryError (invalid)
 */
export function parseTime(text: string): Time {
  const nanoseconds = parseUnix(text) ?? parseDate(text) ?? parseAgo(text);
  if (nanoseconds === undefined) {
    throw invalid(`invalid time '${text}': use seconds since 1970, RFC 3339 or a duration such as 10m`);
  }
  return { nanoseconds, milliseconds: Number(nanoseconds / 1_000_000n) };
}

/** Nanoseconds of a Go duration, "1h30m" or "1.5s"; undefined for anything else. */
export function parseDuration(text: string): bigint | undefined {
  if (!/^-?(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit = 's'] of text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(amount) * (UNIT_NANOSECONDS[unit] ?? 0);
  }
  if (!Number.isFinite(total)) return undefined;
  return BigInt(Math.round(text.startsWith('-') ? -total : total));
}

function parseUnix(text: string): bigint | undefined {
  const match = /^(-?)(\d{1,18})(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (!match) return undefined;
  const magnitude = BigInt(match[2] ?? '0') * SECOND + BigInt((match[3] ?? '').padEnd(9, '0'));
  return match[1] ? -magnitude : magnitude;
}

function parseDate(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d(?::\d\d)?(?::\d\d)?)(?:[.,](\d{1,9})\d*)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (!match) return undefined;
  const [, date, clock = '00:00:00', fraction = '', zone = 'Z'] = match;
  const complete = clock.length === 2 ? `${clock}:00:00` : clock.length === 5 ? `${clock}:00` : clock;
  const milliseconds = Date.parse(`${date}T${complete}${zone}`);
  if (Number.isNaN(milliseconds)) return undefined;
  return BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

function parseAgo(text: string): bigint | undefined {
  const ago = parseDuration(text);
  return ago === undefined ? undefined : BigInt(Date.now()) * 1_000_000n - ago;
}
