import type { BlobEntry } from '@waybill/contracts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { oldestEntries, type Place } from './oldest-entries.js';

async function* listed(entries: readonly BlobEntry[]): AsyncGenerator<BlobEntry> {
  yield* entries;
}

const entry = fc.record({
  sha256: fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 4, maxLength: 4 }),
  size: fc.nat(100),
  usedAt: fc.nat(20).map((ms) => new Date(ms)),
});

it('windows go through all entries that were not used lately, oldest first, each once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(entry, { selector: ({ sha256 }) => sha256, maxLength: 60 }),
      fc.integer({ min: 1, max: 9 }),
      fc.nat(22),
      async (entries, most, before) => {
        const usedBefore = new Date(before);
        const seen: BlobEntry[] = [];
        for (let after: Place | undefined; ; after = seen.at(-1)) {
          const some = await oldestEntries(listed(entries), { after, most, usedBefore });
          if (some.length === 0) break;
          expect(some.length).toBeLessThanOrEqual(most);
          seen.push(...some);
        }
        const wanted = entries
          .filter(({ usedAt }) => usedAt < usedBefore)
          .sort((a, b) => Number(a.usedAt) - Number(b.usedAt) || (a.sha256 < b.sha256 ? -1 : 1));
        expect(seen).toEqual(wanted);
      },
    ),
    { numRuns: 200 },
  );
});
