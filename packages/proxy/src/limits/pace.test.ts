import { expect, it } from 'vitest';
import { Pace } from './pace.js';

function paceAt(bytes: number, inMs: number) {
  let now = 0;
  const pace = new Pace({ bytes, inMs }, () => now);
  return {
    pace,
    /** Says at each step whether it was too slow. */
    pieces: (...steps: [afterMs: number, bytes: number][]) =>
      steps.map(([afterMs, size]) => {
        now += afterMs;
        return pace.isTooSlow(size);
      }),
  };
}

it.each<[string, [number, number][], boolean[]]>([
  [
    'a byte now and then',
    [
      [90, 1],
      [90, 1],
      [90, 1],
    ],
    [false, true, false],
  ],
  [
    'a drip, noticed after two windows at the latest',
    [
      [99, 9],
      [99, 1],
      [99, 1],
      [99, 1],
    ],
    [false, false, false, true],
  ],
  [
    'enough in each window',
    [
      [50, 5],
      [50, 5],
      [50, 5],
      [50, 5],
    ],
    [false, false, false, false],
  ],
  ['everything at once, then the end', [[1, 1_000_000]], [false]],
  [
    'a burst does not pay for a later window',
    [
      [10, 1000],
      [100, 0],
      [100, 1],
    ],
    [false, false, true],
  ],
])('%s', (_name, steps, expected) => expect(paceAt(10, 100).pieces(...steps)).toEqual(expected));

it('does not count the time in which the receiver made the sender wait', () => {
  const { pace, pieces } = paceAt(10, 100);
  pieces([50, 1]);
  pace.excuse(5_000);
  expect(pieces([5_040, 1], [20, 1])).toEqual([false, true]);
});
