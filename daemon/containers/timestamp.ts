/** The current time as RFC 3339 in UTC with nanoseconds, which is how Docker writes times. */
export function timestamp(): string {
  const milliseconds = Date.now();
  const fraction = Number(process.hrtime.bigint() % 1_000_000n);
  return new Date(milliseconds).toISOString().slice(0, -1) + String(fraction).padStart(6, '0') + 'Z';
}

/** Nanoseconds since 1970 of an RFC 3339 time with up to nine fractional digits. */
export function toNanoseconds(time: string): bigint {
  const match = /^(.*?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(time);
  if (!match) throw new RangeError(`not an RFC 3339 time: ${time}`);
  const seconds = Date.parse(`${match[1]}${match[3]}`) / 1000;
  return BigInt(seconds) * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}
