import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventPasses } from '../../daemon/events/event-filter.js';
import { eventMessage } from '../../daemon/events/event-message.js';
import { Events } from '../../daemon/events/events.js';
import { Filters } from '../../daemon/http/filters.js';
import { parseVersion } from '../../daemon/http/version.js';
import { type Database, openDatabase } from '../../daemon/store/database.js';
import { type EventRecord, EventStore } from '../../daemon/store/events.js';

let directory: string;
let database: Database;
let events: Events;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-events-'));
  database = openDatabase(join(directory, 'gantry.db'));
  events = new Events(new EventStore(database));
});

afterEach(() => {
  database.close();
  rmSync(directory, { recursive: true });
});

const publish = (action: string): void => events.publish({ type: 'container', action, actorId: 'c', attributes: {} });

async function actions(stream: AsyncIterable<EventRecord>): Promise<string[]> {
  const found: string[] = [];
  for await (const event of stream) found.push(event.action);
  return found;
}

const never = new AbortController().signal;

test('history survives a restart and keeps its order', async () => {
  for (let index = 0; index < 600; index++) publish(String(index));
  database.close();
  database = openDatabase(join(directory, 'gantry.db'));
  events = new Events(new EventStore(database));
  publish('600');
  const until = BigInt(Date.now()) * 1_000_000n + 10_000_000n;
  expect(await actions(events.watch({ until }, never))).toEqual(
    Array.from({ length: 601 }, (_, index) => String(index)),
  );
});

test('since and until cut the history, both included', async () => {
  ['a', 'b', 'c', 'd'].forEach(publish);
  const [, b, c] = events.store.after(0, 0n, 2n ** 62n, 10);
  expect(await actions(events.watch({ since: b!.time, until: c!.time }, never))).toEqual(['b', 'c']);
});

test('without bounds only new events come, until the client goes', async () => {
  publish('old');
  const gone = new AbortController();
  const watching = actions(events.watch({}, gone.signal));
  await new Promise(setImmediate);
  expect(events.listeners).toBe(1);
  publish('new');
  publish('newer');
  await new Promise(setImmediate);
  gone.abort();
  expect(await watching).toEqual(['new', 'newer']);
  expect(events.listeners).toBe(0);
});

test('a slow watcher misses nothing', async () => {
  const gone = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    for await (const event of events.watch({ since: 0n }, gone.signal)) {
      seen.push(event.action);
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (seen.length === 50) gone.abort();
    }
  })();
  for (let index = 0; index < 50; index++) {
    publish(String(index));
    if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
  }
  await watching;
  expect(seen).toEqual(Array.from({ length: 50 }, (_, index) => String(index)));
});

test('a stream ends at the time that it was given', async () => {
  const until = BigInt(Date.now() + 60) * 1_000_000n;
  const watching = actions(events.watch({ until }, never));
  await new Promise((resolve) => setTimeout(resolve, 10));
  publish('in time');
  expect(await watching).toEqual(['in time']);
  expect(Date.now()).toBeGreaterThanOrEqual(Number(until / 1_000_000n));
});

test('only the newest events are kept', () => {
  const store = new EventStore(database, 10);
  for (let index = 0; index < 3000; index++) {
    store.insert({
      time: BigInt(index),
      type: 't',
      action: String(index),
      actorId: '',
      attributes: {},
      scope: 'local',
    });
  }
  expect(store.after(0, 0n, 10_000n, 10_000).length).toBeLessThanOrEqual(10 + 1024);
  const reopened = new EventStore(database, 10);
  const kept = reopened.after(0, 0n, 10_000n, 10_000);
  expect(kept.map(({ action }) => Number(action))).toEqual([
    2990, 2991, 2992, 2993, 2994, 2995, 2996, 2997, 2998, 2999,
  ]);
  expect(reopened.lastId).toBe(3000);
});

const event = (changes: Partial<EventRecord>): EventRecord => ({
  id: 1,
  time: 1_795_481_539_104_023_668n,
  type: 'container',
  action: 'start',
  actorId: 'abc123',
  attributes: { name: 'web', image: 'reg:5000/busybox:1', a: 'b' },
  scope: 'local',
  ...changes,
});

test.each([
  [{ type: ['container'] }, true],
  [{ type: ['image', 'volume'] }, false],
  [{ event: ['start'] }, true],
  [{ event: ['sta'] }, false],
  [{ container: ['abc'] }, true],
  [{ container: ['we'] }, true],
  [{ container: ['eb'] }, false],
  [{ volume: ['web'] }, true],
  [{ image: ['reg:5000/busybox'] }, true],
  [{ image: ['reg:5000/busybox:1'] }, true],
  [{ image: ['busybox'] }, false],
  [{ label: ['a'] }, true],
  [{ label: ['a=c'] }, false],
  [{ scope: ['swarm'] }, false],
  [{ type: ['container'], event: ['stop'] }, false],
])('the filter %j passes: %p', (filters, passes) => {
  expect(eventPasses(Filters.parse(JSON.stringify(filters)), event({}))).toBe(passes);
});

test('an action with a detail is found without it', () => {
  const filters = Filters.parse('{"event":["exec_create"]}');
  expect(eventPasses(filters, event({ action: 'exec_create: ls -l' }))).toBe(true);
  expect(eventPasses(filters, event({ action: 'exec_create_other' }))).toBe(false);
});

test('an event takes the shape of the version', () => {
  const old = eventMessage(event({}), parseVersion('1.51'));
  expect(old).toContain('"timeNano":1795481539104023668}');
  expect(JSON.parse(old)).toMatchObject({
    status: 'start',
    id: 'abc123',
    from: 'reg:5000/busybox:1',
    time: 1795481539,
  });
  const now = JSON.parse(eventMessage(event({}), parseVersion('1.52')));
  expect(Object.keys(now)).toEqual(['Type', 'Action', 'Actor', 'scope', 'time', 'timeNano']);
  expect(now.Actor).toEqual({ ID: 'abc123', Attributes: event({}).attributes });
  expect(JSON.parse(eventMessage(event({ type: 'volume' }), parseVersion('1.44')))).not.toHaveProperty('status');
});
