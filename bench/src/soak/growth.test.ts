import { describe, expect, it } from 'vitest';
import { growthOf, type Reading, slopeOf } from './growth.ts';

const readings = (count: number, of: (index: number) => Partial<Reading>): Reading[] =>
  Array.from({ length: count }, (_, index) => ({
    atMs: index * 1000,
    memory: 150,
    files: 40,
    delay: 12,
    ...of(index),
  }));
const tooMuch = (all: readonly Reading[]) =>
  growthOf(all).flatMap(({ title, isTooMuch }) => (isTooMuch ? [title] : []));

describe('growthOf', () => {
  it.each<[string, (index: number) => Partial<Reading>, string[]]>([
    ['nothing of what stays level', () => ({}), []],
    ['nothing of noise', (index) => ({ memory: 150 + (index % 3) * 20, files: 40 + (index % 5) }), []],
    ['nothing of warming up', (index) => ({ memory: Math.min(100 + index * 10, 180) }), []],
    ['nothing of one high reading', (index) => ({ memory: index === 29 ? 900 : 150 }), []],
    ['nothing of what falls', (index) => ({ memory: 300 - index * 5, delay: 100 - index }), []],
    ['memory that leaks a little in each build', (index) => ({ memory: 150 + index * 2 }), ['memory']],
    ['files that are not closed', (index) => ({ files: 40 + index }), ['open files']],
    ['an event loop that gets slower', (index) => ({ delay: 12 + index * 4 }), ['event loop delay, p99']],
    [
      'all at once',
      (index) => ({ memory: 150 * (index + 1), files: index * 9, delay: index * 50 }),
      ['memory', 'open files', 'event loop delay, p99'],
    ],
  ])('says %s', (_name, of, expected) => {
    expect(tooMuch(readings(30, of))).toEqual(expected);
  });

  it('says how much', () => {
    const [memory] = growthOf(readings(30, (index) => ({ memory: 150 + index * 2 })));
    expect(memory).toMatchObject({ first: 168, last: 208, rise: expect.closeTo(40), allowed: 24 });
  });

  it('says nothing of a quantity that nobody told, or of too few readings', () => {
    expect(growthOf(readings(30, () => ({ delay: undefined }))).map(({ title }) => title)).toEqual([
      'memory',
      'open files',
    ]);
    expect(growthOf(readings(5, (index) => ({ memory: index * 1000 })))).toEqual([]);
  });
});

describe('slopeOf', () => {
  it.each<[string, number[], number]>([
    ['a line', [0, 2, 4, 6], 2],
    ['a line with an outlier', [0, 2, 400, 6, 8], 2],
    ['one point', [7], 0],
    ['nothing', [], 0],
  ])('of %s', (_name, values, expected) => {
    expect(slopeOf(values.map((value, at) => ({ at, value })))).toBeCloseTo(expected);
  });
});
