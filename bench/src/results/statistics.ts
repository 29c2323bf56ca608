/** One number with its spread over the rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

/** @returns undefined when there is nothing to summarise */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const low = sorted[Math.floor(middle)];
  const high = sorted[Math.ceil(middle)];
  if (low === undefined || high === undefined) return undefined;
  return { median: (low + high) / 2, min: sorted[0] as number, max: sorted.at(-1) as number, rounds: sorted.length };
}

/** Two engines' values, round by round: what both had to bear in that round falls out. Rounds that one lacks are left out. */
export function ratioSpread(
  ours: readonly (number | undefined)[],
  theirs: readonly (number | undefined)[],
): Spread | undefined {
  const ratios = ours.map((value, round) => {
    const other = theirs[round];
    return value === undefined || other === undefined || other === 0 ? undefined : value / other;
  });
  return spreadOf(ratios.filter((ratio) => ratio !== undefined));
}

/** The value at a share of the ranks, nearest rank; 0 when there is nothing to rank (load/job.go does the same). */
export function quantileOf(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share - 1e-6) - 1)] ?? 0;
}
