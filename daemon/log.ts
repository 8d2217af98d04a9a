import pino, { type Logger } from 'pino';
import type { Config } from './config/options.js';

/** Writes log lines to standard error, synchronously: the last one before a crash is the one that is needed. */
export function createLogger(config: Pick<Config, 'logLevel' | 'logFormat'>): Logger {
  const destination = pino.destination({ fd: 2, sync: true });
  const settings = { level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (config.logFormat === 'json') return pino(settings, destination);
  return pino(settings, { write: (line: string) => destination.write(asText(line)) });
}

const levels: Record<number, string> = { 10: 'TRACE', 20: 'DEBUG', 30: 'INFO', 40: 'WARN', 50: 'ERROR', 60: 'FATAL' };

/** `2026-01-01T00:00:00.000Z INFO API listening hosts=["unix:///…"]`; the stack of an error on lines of its own. */
function asText(line: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const { message, stack } = (err ?? {}) as { message?: string; stack?: string };
  const pairs = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  const head = `${String(time)} ${levels[Number(level)] ?? String(level)} ${typeof msg === 'string' ? msg : ''}`;
  return `${head}${message ? `: ${message}` : ''}${pairs.join('')}\n${stack ? `${stack}\n` : ''}`;
}
