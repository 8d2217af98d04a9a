import { Slots } from '../../daemon/slots.js';

test('slots are given in turn, and not to who has gone', async () => {
  const slots = new Slots(() => 1);
  const order: string[] = [];
  let end: () => void = () => undefined;
  const { signal } = new AbortController();
  const waits = (name: string) => (): void => void order.push(`${name} waits`);
  const first = slots.use(signal, () => new Promise<void>((resolve) => (end = resolve)), waits('first'));
  const quit = new AbortController();
  const second = slots.use(quit.signal, () => Promise.resolve(order.push('second')), waits('second'));
  const third = slots.use(signal, () => Promise.resolve(order.push('third')), waits('third'));
  quit.abort(new Error('gone'));
  await expect(second).rejects.toThrow('gone');
  end();
  await Promise.all([first, third]);
  expect(order).toEqual(['second waits', 'third waits', 'third']);
});

test('as many go on at once as there are slots, and a slot of who failed is free again', async () => {
  const slots = new Slots(() => 2);
  const { signal } = new AbortController();
  let running = 0;
  let most = 0;
  const work = async (fails: boolean): Promise<void> => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    if (fails) throw new Error('failed');
  };
  const all = await Promise.allSettled(
    [true, true, false, true, false].map((fails) => slots.use(signal, () => work(fails))),
  );
  expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
  expect(most).toBe(2);
});

test('who has gone already gets none', async () => {
  const work = (): Promise<never> => Promise.reject(new Error('must not run'));
  await expect(new Slots(() => 1).use(AbortSignal.abort(new Error('gone')), work)).rejects.toThrow('gone');
});
