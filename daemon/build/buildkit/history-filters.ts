import { invalid } from '../../errors.js';
import type { BuildHistoryRecord } from '../../generated/rpc/moby/buildkit/v1/BuildHistoryRecord.js';
import type { Timestamp } from '../../generated/rpc/google/protobuf/Timestamp.js';

type Condition = (record: BuildHistoryRecord) => boolean;

/**
 * `status==error`, `ref~=abc`, `duration>10s`, `startedAt<1h` (longer ago than that), several joined by commas; of several filters
 * one has to match.
 *
 * @throws GantryError invalid
 */
export function historyFilter(filters: readonly string[]): Condition {
  const alternatives = filters.filter((text) => text !== '').map((text) => text.split(',').map(condition));
  if (alternatives.length === 0) return () => true;
  return (record) => alternatives.some((conditions) => conditions.every((matches) => matches(record)));
}

function condition(text: string): Condition {
  const {
    name = '',
    operator = '',
    value = '',
  } = /^(?<name>\w+)(?<operator>==|!=|~=|<=|>=|=|<|>)"?(?<value>.*?)"?$/.exec(text)?.groups ?? {};
  const field = texts[name];
  if (field && /^[=!~]/.test(operator)) return textCondition(field, operator, value);
  const milliseconds = times[name];
  if (milliseconds && /^[<>]/.test(operator)) return timeCondition(milliseconds, operator, limitOf(name, value));
  throw invalid(`invalid filter "${text}"`);
}

const texts: Readonly<Record<string, (record: BuildHistoryRecord) => string>> = {
  ref: ({ ref = '' }) => ref,
  status: statusOf,
  repository: ({ frontendAttributes = {} }) => frontendAttributes['vcs:source'] ?? frontendAttributes['context'] ?? '',
};

function statusOf({ completedAt, error }: BuildHistoryRecord): string {
  if (!completedAt) return 'running';
  if (!error) return 'completed';
  return error.code === 1 ? 'canceled' : 'error';
}

function textCondition(field: (record: BuildHistoryRecord) => string, operator: string, value: string): Condition {
  switch (operator) {
    case '!=':
      return (record) => field(record) !== value;
    case '~=':
      return (record) => field(record).includes(value);
    default:
      return (record) => field(record) === value;
  }
}

/** Milliseconds. */
const times: Readonly<Record<string, (record: BuildHistoryRecord) => number | undefined>> = {
  startedAt: ({ createdAt }) => timeOf(createdAt),
  completedAt: ({ completedAt }) => timeOf(completedAt),
  duration: ({ createdAt, completedAt }) => (timeOf(completedAt) ?? Date.now()) - (timeOf(createdAt) ?? 0),
};

const timeOf = (time: Timestamp | null | undefined): number | undefined =>
  time ? Number(time.seconds ?? 0) * 1000 + (time.nanos ?? 0) / 1_000_000 : undefined;

function timeCondition(
  time: (record: BuildHistoryRecord) => number | undefined,
  operator: string,
  limit: number,
): Condition {
  return (record) => {
    const value = time(record);
    if (value === undefined) return false;
    if (value === limit) return operator.endsWith('=');
    return operator.startsWith('<') === value < limit;
  };
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration ("1h30m"), or for a time one that long ago, or an RFC 3339 time. */
function limitOf(name: string, text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)];
  if (parts.length > 0 && parts.map(([part]) => part).join('') === text) {
    const duration = parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0);
    return name === 'duration' ? duration : Date.now() - duration;
  }
  const time = Date.parse(text);
  if (name === 'duration' || Number.isNaN(time)) throw invalid(`invalid value "${text}" of the filter ${name}`);
  return time;
}
