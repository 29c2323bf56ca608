import type { InspectionContext } from '@waybill/contracts';
import type { PackagesIndex } from './package-table.js';

/** Memory for tables that no session's catalogs may hold any more. */
const maxWeight = 64 * 2 ** 20;

const kept = new Map<string, PackagesIndex>();
let weight = 0;

/**
 * The table of a Packages file of this digest, kept or read now. It depends on the bytes alone, whose digest the caller has
 * checked, so sessions may share it: without that each would read the same 50 MB again.
 */
export async function sharedIndex(sha256: string, read: () => Promise<PackagesIndex>): Promise<PackagesIndex> {
  const known = keptIndex(sha256);
  if (known) return known;
  const index = await read();
  keep(sha256, index);
  return index;
}

function keptIndex(sha256: string): PackagesIndex | undefined {
  const index = kept.get(sha256);
  if (index) {
    kept.delete(sha256);
    kept.set(sha256, index);
  }
  return index;
}

function keep(sha256: string, index: PackagesIndex): void {
  if (kept.has(sha256) || index.weight > maxWeight) return;
  kept.set(sha256, index);
  weight += index.weight;
  for (const [oldest, { weight: freed }] of kept) {
    if (weight <= maxWeight) return;
    kept.delete(oldest);
    weight -= freed;
  }
}

/** Index files that inspectors fetched themselves, of one session. */
export interface FetchedIndexes {
  /** The table if this session has fetched it before. */
  atHand(sha256: string): PackagesIndex | undefined;
  /**
   * Fetches once, however many ask at the same time.
   * @param read undefined when the bytes are not to be had
   */
  fetch(
    sha256: string,
    context: InspectionContext,
    read: (context: InspectionContext) => Promise<PackagesIndex | undefined>,
  ): Promise<PackagesIndex | undefined>;
}

/**
 * Remembers digests only: a session that has fetched an index need not fetch it for every package, but each session fetches
 * on its own, so that its report has all that its verdicts rest on.
 */
export function createFetchedIndexes(): FetchedIndexes {
  const fetched = new Set<string>();
  const running = new Map<string, Promise<PackagesIndex | undefined>>();
  const atHand = (sha256: string) => (fetched.has(sha256) ? keptIndex(sha256) : undefined);
  return {
    atHand,
    async fetch(sha256, context, read) {
      // Somebody else's failure may be their time-out: then everybody tries on their own.
      const others = running.get(sha256);
      if (others) await others.catch(() => undefined);
      const known = atHand(sha256);
      if (known) return known;
      const own = read(context);
      running.set(sha256, own);
      try {
        const index = await own;
        if (index) fetched.add(sha256);
        return index;
      } finally {
        if (running.get(sha256) === own) running.delete(sha256);
      }
    },
  };
}
