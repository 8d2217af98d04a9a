import { LayerFacts } from '../../daemon/build/layer-facts.js';
import type { BuildLayer } from '../../daemon/build/layers.js';

const layer = (chainId: string | undefined): BuildLayer => ({
  directory: '/nowhere',
  described: new Promise(() => undefined),
  chainId,
});

/** Counts how often something had to be read. */
function reader(): { read: () => Promise<number>; count: () => number } {
  let count = 0;
  return { read: () => Promise.resolve(++count), count: () => count };
}

test('what was read of layers is known the next time, by the topmost and by what was asked', async () => {
  const facts = new LayerFacts();
  const { read, count } = reader();
  const stack = [layer('sha256:a'), layer('sha256:b')];
  expect(await facts.of(stack, ['tree', ['/x'], {}], read)).toBe(1);
  expect(await facts.of([layer('sha256:b')], ['tree', ['/x'], {}], read)).toBe(1);
  expect(await facts.of(stack, ['tree', ['/y'], {}], read)).toBe(2);
  expect(await facts.of(stack, ['tree', ['/x'], { owner: { uid: 1, gid: 1 } }], read)).toBe(3);
  expect(await facts.of([layer('sha256:a')], ['tree', ['/x'], {}], read)).toBe(4);
  expect(count()).toBe(4);
});

test('nothing is remembered of a layer that is not in the store, nor of what could not be read', async () => {
  const facts = new LayerFacts();
  const { read, count } = reader();
  for (const layers of [[], [layer('sha256:a'), layer(undefined)]]) {
    await facts.of(layers, ['tree'], read);
    await facts.of(layers, ['tree'], read);
  }
  expect(count()).toBe(4);
  const failing = (): Promise<number> => Promise.reject(new Error('not found'));
  await expect(facts.of([layer('sha256:a')], ['tree'], failing)).rejects.toThrow('not found');
  expect(await facts.of([layer('sha256:a')], ['tree'], read)).toBe(5);
});

test('what has not been used for the longest time is forgotten first', async () => {
  const facts = new LayerFacts(2);
  const { read, count } = reader();
  const layers = [layer('sha256:a')];
  for (const path of ['one', 'two', 'one', 'three', 'one']) await facts.of(layers, [path], read);
  expect(count()).toBe(3);
  await facts.of(layers, ['two'], read);
  expect(count()).toBe(4);
});
