import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BlobEntry } from '@waybill/contracts';

/** Entries looked at before others get their turn. */
const slice = 2_000;

/** A place in the order of use; ties are told apart by name, so that no entry is seen twice or left out. */
export type Place = Pick<BlobEntry, 'usedAt' | 'sha256'>;

/**
 * The entries that were used least recently, oldest first, at most `most` of those that come after a place. Memory is that of
 * `2 × most` entries, however many there are: who wants more goes on after the last one.
 */
export async function oldestEntries(
  entries: AsyncIterable<BlobEntry>,
  { after, most, usedBefore }: { readonly after: Place | undefined; readonly most: number; readonly usedBefore: Date },
): Promise<BlobEntry[]> {
  let kept: BlobEntry[] = [];
  let seen = 0;
  for await (const entry of entries) {
    seen += 1;
    if (seen % slice === 0) await nextTurn();
    if (entry.usedAt >= usedBefore || (after && compare(entry, after) <= 0)) continue;
    kept.push(entry);
    if (kept.length >= 2 * most) kept = kept.sort(compare).slice(0, most);
  }
  return kept.sort(compare).slice(0, most);
}

function compare(a: Place, b: Place): number {
  return a.usedAt.getTime() - b.usedAt.getTime() || (a.sha256 < b.sha256 ? -1 : a.sha256 > b.sha256 ? 1 : 0);
}
