/** A body size and how long it is stored, read and asked for. */
export interface CacheSize {
  readonly id: string;
  readonly bytes: number;
  /** Bodies that may be stored in one turn: what the disk has to take. */
  readonly mostBodies: number;
}

export interface CachePlan {
  readonly rounds: number;
  readonly clients: readonly number[];
  readonly sizes: readonly CacheSize[];
  readonly warmUpMs: number;
  readonly measureMs: number;
}

const kib = 1024;
const mib = 1024 * kib;

export const fullCachePlan: CachePlan = {
  rounds: 3,
  clients: [1, 64],
  sizes: [
    { id: '1 KiB', bytes: kib, mostBodies: 100_000 },
    { id: '64 KiB', bytes: 64 * kib, mostBodies: 30_000 },
    { id: '16 MiB', bytes: 16 * mib, mostBodies: 200 },
    { id: '1 GiB', bytes: 1024 * mib, mostBodies: 2 },
  ],
  warmUpMs: 1_000,
  measureMs: 4_000,
};

/** A first look; no body of 1 GiB. */
export const quickCachePlan: CachePlan = {
  ...fullCachePlan,
  rounds: 2,
  sizes: fullCachePlan.sizes.slice(0, 3),
  warmUpMs: 500,
  measureMs: 1_500,
};
