import { describe, expect, it } from 'vitest';
import { createIdSource } from './ids.js';

describe('createIdSource', () => {
  it('gives ids that sort as they were made, also when the clock stands or goes back', () => {
    const times = [5, 5, 5, 3, 6, 6, 2, 2, 7];
    let at = 0;
    const next = createIdSource({ now: () => new Date(Date.UTC(2026, 0, 1) + (times[at++ % times.length] as number)) });
    const ids = Array.from({ length: 2_000 }, () => next());
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('tells processes apart', () => {
    const clock = { now: () => new Date(0) };
    expect(createIdSource(clock)()).not.toBe(createIdSource(clock)());
  });
});
