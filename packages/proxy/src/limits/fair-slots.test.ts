import { describe, expect, it } from 'vitest';
import { FairSlots } from './fair-slots.js';

/** Takes as many as it gets. */
function grab(slots: FairSlots, key: string, wanted = 1_000, most = 0): number {
  let got = 0;
  while (got < wanted && slots.tryTake(key, most)) got += 1;
  return got;
}

describe('shares', () => {
  it.each([
    [1, [50]],
    [2, [50, 25]],
    [3, [50, 25, 13]],
  ])('greedy keys, one after the other: %i', (count, shares) => {
    const slots = new FairSlots(100);
    expect(Array.from({ length: count }, (_, i) => grab(slots, `greedy ${i}`))).toEqual(shares);
    expect(grab(slots, 'new', 1)).toBe(1);
  });

  it('greedy keys that take in turn get the same, and leave one share', () => {
    const slots = new FairSlots(100);
    for (let round = 0; round < 100; round++) for (const key of ['a', 'b', 'c']) slots.tryTake(key);
    expect(['a', 'b', 'c'].map((key) => slots.heldBy(key))).toEqual([25, 25, 25]);
  });

  it('a bound of its own', () => {
    const slots = new FairSlots(100);
    expect(grab(slots, 'a', 10, 3)).toBe(3);
    slots.free('a');
    expect(grab(slots, 'a', 10, 3)).toBe(1);
  });

  it('one slot is enough for one at a time', () => {
    const slots = new FairSlots(1);
    expect([slots.tryTake('a'), slots.tryTake('b')]).toEqual([true, false]);
    slots.free('a');
    expect(slots.tryTake('b')).toBe(true);
  });

  it('giving back what was not taken changes nothing', () => {
    const slots = new FairSlots(2);
    slots.free('a');
    expect([slots.taken, slots.heldBy('a')]).toEqual([0, 0]);
  });
});

describe('waiting', () => {
  it('is served round-robin, whoever waits in numbers', () => {
    const slots = new FairSlots(4);
    const served: string[] = [];
    expect(grab(slots, 'x')).toBe(2);
    expect(grab(slots, 'y')).toBe(1);
    expect(grab(slots, 'z')).toBe(1);
    for (let i = 0; i < 50; i++) slots.wait('a', 0, () => served.push('a'));
    slots.wait('b', 0, () => served.push('b'));
    slots.wait('c', 0, () => served.push('c'));
    for (const key of ['x', 'x', 'y']) slots.free(key);
    expect(served).toEqual(['a', 'b', 'c']);
  });

  it('does not overtake its own key', () => {
    const slots = new FairSlots(10);
    grab(slots, 'a', 10, 1);
    slots.wait('a', 1, () => {});
    expect(slots.tryTake('a', 5)).toBe(false);
    expect(slots.tryTake('b')).toBe(true);
  });

  it('given up, leaves nothing behind', () => {
    const slots = new FairSlots(1);
    slots.tryTake('a');
    const giveUp = slots.wait('b', 0, () => expect.unreachable());
    giveUp();
    giveUp();
    slots.free('a');
    expect([slots.waiting, slots.taken]).toEqual([0, 0]);
  });

  it('ends for all that fit when one slot makes room for several', () => {
    const slots = new FairSlots(10);
    expect(grab(slots, 'a')).toBe(5);
    let woken = 0;
    for (let i = 0; i < 5; i++) slots.wait('a', 0, () => (woken += 1));
    slots.free('a');
    expect([woken, slots.heldBy('a')]).toEqual([1, 5]);
  });
});

it('never has more taken than there are, and never forgets anybody (random history)', () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const slots = new FairSlots(8);
  const held: string[] = [];
  let waiting = 0;
  for (let step = 0; step < 20_000; step++) {
    const key = `k${random(6)}`;
    if (random(2) === 0) {
      if (slots.tryTake(key)) held.push(key);
      else {
        waiting += 1;
        slots.wait(key, 0, () => {
          waiting -= 1;
          held.push(key);
        });
      }
    } else if (held.length > 0) slots.free(held.splice(random(held.length), 1)[0] as string);
    expect(slots.taken).toBe(held.length);
    expect(slots.taken).toBeLessThanOrEqual(8);
    expect(slots.waiting).toBe(waiting);
  }
  while (held.length > 0) slots.free(held.pop() as string);
  expect([slots.taken, slots.waiting, waiting]).toEqual([0, 0, 0]);
});
