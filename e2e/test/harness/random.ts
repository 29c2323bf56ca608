/** Pseudo-random numbers that a failed run can be repeated with. */
export interface Random {
  /** To repeat the run: `WAYBILL_TEST_SEED`. */
  readonly seed: number;
  /** A whole number from `least` up to and without `most`. */
  between(least: number, most: number): number;
}

/** Mulberry32. Seeded by `WAYBILL_TEST_SEED`, else by the clock. */
export function createRandom(): Random {
  const seed = Number(process.env.WAYBILL_TEST_SEED ?? Date.now() % 2 ** 31);
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { seed, between: (least, most) => least + Math.floor(next() * (most - least)) };
}
