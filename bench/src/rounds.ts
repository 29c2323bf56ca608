import type { Plan } from './plan.ts';
import type { Say } from './stage.ts';

/** Fewer have no spread. */
const fewest = 2;

/**
 * Runs as many rounds as the plan has, or as its time allows, but two if it has them.
 * @param now monotonic milliseconds
 * @returns how many
 */
export async function runRounds(
  { rounds, roundsMs }: Pick<Plan, 'rounds' | 'roundsMs'>,
  run: (round: number) => Promise<void>,
  say: Say,
  now: () => number = () => performance.now(),
): Promise<number> {
  const begin = now();
  let longest = 0;
  for (let round = 1; round <= rounds; round++) {
    const from = now();
    if (round > fewest && from - begin + longest > roundsMs) {
      say(`${round - 1} rounds instead of ${rounds}: one more would take too long`);
      return round - 1;
    }
    await run(round);
    longest = Math.max(longest, now() - from);
  }
  return rounds;
}

/** Each round begins with another one, so that none always follows the same. */
export function rotated<T>(all: readonly T[], by: number): T[] {
  return all.map((_, index) => all[(index + by) % all.length] as T);
}
