import { decodeLog, encodeLog } from '../../daemon/build/buildkit/status-log.js';
import { historyFilter } from '../../daemon/build/buildkit/history-filters.js';
import { openDatabase } from '../../daemon/store/database.js';
import { BuildHistoryStore } from '../../daemon/store/build-history.js';

test('the oldest builds go, except those that are pinned, with what belongs to them', () => {
  const store = new BuildHistoryStore(openDatabase(':memory:'));
  for (const completed of [1, 2, 3, 4]) {
    const blob = { digest: `sha256:${completed}`, data: Buffer.from([completed]) };
    store.save({ ref: `r${completed}`, record: '{}', completed }, [blob]);
  }
  store.pin('r1', true);
  store.expire(2);
  expect(store.records().map(({ ref, pinned }) => [ref, pinned])).toEqual([['r1', 1], ['r3', 0], ['r4', 0]]); // prettier-ignore
  expect(['1', '2', '3'].map((digest) => store.blob(`sha256:${digest}`)?.[0])).toEqual([1, undefined, 3]);
});

const at = (milliseconds: number): { seconds: number; nanos: number } => ({
  seconds: Math.floor(milliseconds / 1000),
  nanos: (milliseconds % 1000) * 1_000_000,
});
const ago = (milliseconds: number): ReturnType<typeof at> => at(Date.now() - milliseconds);
const records = [
  {
    ref: 'good',
    createdAt: ago(60_000),
    completedAt: ago(30_000),
    frontendAttributes: { 'vcs:source': 'https://x/y' },
  },
  { ref: 'bad', createdAt: ago(7_200_000), completedAt: ago(7_199_000), error: { code: 2, message: 'no' } },
  { ref: 'left', createdAt: ago(100), completedAt: ago(50), error: { code: 1, message: 'gone' } },
  { ref: 'goes', createdAt: ago(3000) },
];

test.each([
  [[], ['good', 'bad', 'left', 'goes']],
  [['status==completed'], ['good']],
  [['status=error'], ['bad']],
  [['status!=canceled,status!=running'], ['good', 'bad']],
  [
    ['ref~=go', 'ref==left'],
    ['good', 'left', 'goes'],
  ],
  [['repository~="x/"'], ['good']],
  [['duration>=20s'], ['good']],
  [['duration<2s'], ['bad', 'left']],
  [['startedAt<1h30m'], ['bad']],
  [['completedAt>10s'], ['left']],
])('%j', (filters, found) => {
  expect(records.filter(historyFilter(filters)).map(({ ref }) => ref)).toEqual(found);
});

test.each(['ref<x', 'size==1', 'duration>soon', 'duration==1s', 'status'])('%s is no filter', (filter) => {
  expect(() => historyFilter([filter])).toThrow(/invalid/);
});

test('what a build told is kept with the lengths of its messages', () => {
  const told = [{ logs: [{ vertex: 'v', message: Buffer.from('one'), stream: 1 }] }, { vertexes: [{ name: 'two' }] }];
  const log = encodeLog(told);
  expect(decodeLog(log)).toMatchObject(told);
  const large = { logs: [{ message: Buffer.alloc(3 * 1024 * 1024) }] };
  expect(decodeLog(encodeLog([...told, large, large, ...told]))).toHaveLength(3);
});
