/** What was seen of the service after one build. */
export interface Reading {
  readonly atMs: number;
  /** Resident memory of the largest process, MiB. */
  readonly memory: number;
  /** Open files of all processes. */
  readonly files: number;
  /** 99th percentile of the event loop's delay since the reading before, ms; undefined where it is not told. */
  readonly delay: number | undefined;
}

export interface Growth {
  readonly title: string;
  readonly unit: string;
  readonly first: number;
  readonly last: number;
  /** What a line through the readings rises over all of them. */
  readonly rise: number;
  readonly allowed: number;
  readonly isTooMuch: boolean;
}

interface Quantity {
  readonly title: string;
  readonly unit: string;
  read(reading: Reading): number | undefined;
  /** What may be noise, by the level at which it began. */
  allowed(level: number): number;
}

const quantities: readonly Quantity[] = [
  { title: 'memory', unit: 'MiB', read: ({ memory }) => memory, allowed: (level) => Math.max(24, level * 0.1) },
  { title: 'open files', unit: 'files', read: ({ files }) => files, allowed: () => 16 },
  { title: 'event loop delay, p99', unit: 'ms', read: ({ delay }) => delay, allowed: (level) => Math.max(50, level) },
];

/** Builds before that are the service's warming up: code is compiled, caches and heaps fill. */
const warmUpShare = 0.3;
export const fewestReadings = 6;

/** Tells of each quantity how it grew after the warm-up; nothing when there are too few readings. */
export function growthOf(readings: readonly Reading[]): Growth[] {
  const settled = readings.slice(Math.floor(readings.length * warmUpShare));
  if (readings.length < fewestReadings) return [];
  return quantities.flatMap(({ title, unit, read, allowed }) => {
    const points = settled.flatMap((reading) => {
      const value = read(reading);
      return value === undefined ? [] : [{ at: reading.atMs, value }];
    });
    const [first, last] = [points[0], points.at(-1)];
    if (!first || !last || first === last) return [];
    const rise = slopeOf(points) * (last.at - first.at);
    const limit = allowed(first.value);
    return [{ title, unit, first: first.value, last: last.value, rise, allowed: limit, isTooMuch: rise > limit }];
  });
}

/** Median of the slopes between all pairs (Theil–Sen): a few high readings do not tilt it. */
export function slopeOf(points: readonly { readonly at: number; readonly value: number }[]): number {
  const slopes = points.flatMap((one, index) =>
    points.slice(index + 1).map((other) => (other.value - one.value) / (other.at - one.at)),
  );
  slopes.sort((a, b) => a - b);
  return slopes[Math.floor((slopes.length - 1) / 2)] ?? 0;
}
