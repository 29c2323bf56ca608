import type { InspectionContext } from '@waybill/contracts';
import { expect, it } from 'vitest';
import { createFetchedIndexes } from './fetched-indexes.js';
import type { PackagesIndex } from './packed-table.js';

const index = {} as PackagesIndex;

function contextOf(sessionId: string): InspectionContext {
  return { sessionId, findDerived: async () => index } as unknown as InspectionContext;
}

it('a session fetches an index once, whatever others of the same configuration have fetched', async () => {
  const indexes = createFetchedIndexes();
  const fetches: string[] = [];
  const ask = async (sessionId: string) => {
    const context = contextOf(sessionId);
    const known = await indexes.atHand('a', context);
    const read = async () => {
      fetches.push(sessionId);
      return index;
    };
    return known ?? indexes.fetch('a', context, read);
  };
  await Promise.all([ask('one'), ask('one'), ask('two')]);
  expect(await ask('one')).toBe(index);
  await ask('three');
  expect(fetches.sort()).toEqual(['one', 'three', 'two']);
  expect(await indexes.atHand('a', contextOf('four'))).toBeUndefined();
});
