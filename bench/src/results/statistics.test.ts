import { describe, expect, it } from 'vitest';
import { quantileOf, ratioSpread, spreadOf } from './statistics.ts';

describe('spreadOf', () => {
  it.each<[string, number[], [number, number, number, number] | undefined]>([
    ['nothing', [], undefined],
    ['one', [3], [3, 3, 3, 1]],
    ['an odd number, unsorted', [9, 1, 5], [5, 1, 9, 3]],
    ['an even number: between the middle two', [4, 1, 2, 10], [3, 1, 10, 4]],
    ['numbers, not their texts', [10, 9, 100], [10, 9, 100, 3]],
  ])('%s', (_name, values, expected) => {
    const found = spreadOf(values);
    expect(found && [found.median, found.min, found.max, found.rounds]).toEqual(expected);
  });

  it('leaves its input as it was', () => {
    const values = [3, 1, 2];
    spreadOf(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('ratioSpread', () => {
  it('compares round by round, not median with median', () => {
    expect(ratioSpread([10, 40, 90], [10, 20, 30])).toEqual({ median: 2, min: 1, max: 3, rounds: 3 });
  });

  it('leaves out rounds that one of both lacks', () => {
    expect(ratioSpread([10, undefined, 30], [undefined, 20, 10])).toEqual({ median: 3, min: 3, max: 3, rounds: 1 });
    expect(ratioSpread([undefined], [1])).toBeUndefined();
  });

  it('has no ratio to nothing', () => {
    expect(ratioSpread([1], [0])).toBeUndefined();
  });
});

describe('quantileOf', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

  it.each<[number[], number, number]>([
    [hundred, 0.5, 50],
    [hundred, 0.99, 99],
    [hundred, 1, 100],
    [[7], 0.99, 7],
    [[], 0.5, 0],
  ])('of %j at %f', (values, share, expected) => {
    expect(quantileOf(values, share)).toBe(expected);
  });
});
