import { expect, it } from 'vitest';
import { createSlots } from './slots.js';

const never = new AbortController().signal;

it('lets so many in and the others in order', async () => {
  const slots = createSlots(2);
  const order: string[] = [];
  const first = await slots.take(never);
  await slots.take(never);
  const third = slots.take(never).then((give) => {
    order.push('third');
    return give;
  });
  const fourth = slots.take(never).then(() => order.push('fourth'));
  await Promise.resolve();
  expect(order).toEqual([]);
  first();
  first();
  (await third)();
  await fourth;
  expect(order).toEqual(['third', 'fourth']);
});

it('who gives up while waiting takes no slot', async () => {
  const slots = createSlots(1);
  const give = await slots.take(never);
  const controller = new AbortController();
  const waiter = slots.take(controller.signal);
  controller.abort(new Error('gone'));
  await expect(waiter).rejects.toThrow('gone');
  give();
  (await slots.take(never))();
  await expect(slots.take(AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
});
