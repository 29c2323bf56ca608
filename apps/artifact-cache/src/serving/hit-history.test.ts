import { describe, expect, it } from 'vitest';
import { createHitHistory, spanMs } from './hit-history.js';

describe('hits of the last day', () => {
  it('are counted by span and namespace', () => {
    let now = 1000 * spanMs;
    const history = createHitHistory(() => now);
    history.note('main', true);
    history.note('main', false);
    now += spanMs;
    history.note('main', true);
    history.note('other', false);
    const spans = history.spans('main');
    expect(spans).toHaveLength(96);
    expect(spans.slice(-2)).toEqual([
      { at: 1000 * spanMs, hits: 1, misses: 1 },
      { at: 1001 * spanMs, hits: 1, misses: 0 },
    ]);
    expect(history.spans('other').at(-1)).toMatchObject({ hits: 0, misses: 1 });
    expect(history.spans('nobody').every(({ hits, misses }) => hits + misses === 0)).toBe(true);
  });

  it.each([1, 95, 96, 97, 1000])('are forgotten after a day: %i spans later', (later) => {
    let now = 1000 * spanMs;
    const history = createHitHistory(() => now);
    history.note('main', true);
    now += later * spanMs;
    const sum = history.spans('main').reduce((total, { hits }) => total + hits, 0);
    expect(sum).toBe(later < 96 ? 1 : 0);
    history.note('main', true);
    expect(history.spans('main').reduce((total, { hits }) => total + hits, 0)).toBe(sum + 1);
  });

  it('survive a clock that is set back', () => {
    let now = 1000 * spanMs;
    const history = createHitHistory(() => now);
    history.note('main', true);
    now -= 10 * spanMs;
    history.note('main', true);
    expect(history.spans('main').at(-1)).toEqual({ at: 1000 * spanMs, hits: 2, misses: 0 });
  });
});
