import { describe, expect, it } from 'vitest';
import { rotated, runRounds } from './rounds.ts';

async function roundsOf(rounds: number, roundsMs: number, lengths: readonly number[]): Promise<number[]> {
  const ran: number[] = [];
  let time = 1_000;
  const run = async (round: number) => {
    ran.push(round);
    time += lengths[round - 1] ?? 0;
  };
  const count = await runRounds(
    { rounds, roundsMs },
    run,
    () => {},
    () => time,
  );
  expect(count).toBe(ran.length);
  return ran;
}

describe('runRounds', () => {
  it.each<[string, number, number, number[], number]>([
    ['all of them when there is time', 4, 400, [100, 100, 100, 100], 4],
    ['none that would end too late', 4, 399, [100, 100, 100, 100], 3],
    ['the longest so far tells how long the next takes', 5, 500, [50, 200, 50, 100], 4],
    ['two, however long they take', 5, 10, [100, 100], 2],
    ['one when one is wanted', 1, 0, [100], 1],
  ])('%s', async (_name, rounds, roundsMs, lengths, count) => {
    expect(await roundsOf(rounds, roundsMs, lengths)).toHaveLength(count);
  });
});

describe('rotated', () => {
  it.each([
    [0, ['a', 'b', 'c']],
    [1, ['b', 'c', 'a']],
    [5, ['c', 'a', 'b']],
  ])('by %i', (by, order) => {
    expect(rotated(['a', 'b', 'c'], by)).toEqual(order);
  });
});
