/** Pseudo-random choices that a failed run can be repeated with. */
export interface Chance {
  /** A number from 0 up to and without 1. */
  next(): number;
  /** A whole number from `least` up to and without `most`. */
  between(least: number, most: number): number;
  /** True in `share` of all cases. */
  happens(share: number): boolean;
  /** One of several. */
  of<Item>(items: readonly Item[]): Item;
  /** One of several, each as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name;
}

/** `WAYBILL_CHAOS_SEED`, else the clock: printed by every suite. */
export function chaosSeed(): number {
  return Number(process.env.WAYBILL_CHAOS_SEED ?? Date.now() % 2 ** 31);
}

/** Mulberry32. Each actor has a stream of its own, named by `label`: one that asks more often does not shift the others. */
export function createChance(seed: number, label: string): Chance {
  let state = [...label].reduce((hash, letter) => Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193), seed);
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (least, most) => least + Math.floor(next() * (most - least)),
    happens: (share) => next() < share,
    of(items) {
      const item = items[Math.floor(next() * items.length)];
      if (item === undefined) throw new Error('a choice of nothing');
      return item;
    },
    weighted(weights) {
      const entries = Object.entries(weights) as [keyof typeof weights, number][];
      let point = next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [name, weight] of entries) {
        point -= weight;
        if (point < 0) return name;
      }
      throw new Error('weights without a sum');
    },
  };
}
