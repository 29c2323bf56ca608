import type { Derivation, InspectionContext } from '@waybill/contracts';
import { packagesDerivation } from './packages-derivation.js';
import type { PackagesIndex } from './packed-table.js';

/** Index files that inspectors fetched themselves, session by session. */
export interface FetchedIndexes {
  /** The table if this session has fetched it before. */
  atHand(sha256: string, context: InspectionContext): Promise<PackagesIndex | undefined>;
  /**
   * Fetches once, however many ask at the same time.
   * @param read undefined when the bytes are not to be had
   */
  fetch(sha256: string, context: InspectionContext, read: Read): Promise<PackagesIndex | undefined>;
}

type Read = (context: InspectionContext) => Promise<PackagesIndex | undefined>;

/** What is forgotten is fetched again, once. */
const mostFetched = 4096;

/**
 * Remembers digests only: a session that has fetched an index need not fetch it for every package, but each session fetches
 * on its own, so that its report has all that its verdicts rest on.
 */
export function createFetchedIndexes(derivation: Derivation<PackagesIndex> = packagesDerivation): FetchedIndexes {
  const fetched = new Set<string>();
  const running = new Map<string, Promise<PackagesIndex | undefined>>();
  const keyOf = (sha256: string, { sessionId }: InspectionContext) => `${sessionId} ${sha256}`;
  const atHand = async (sha256: string, context: InspectionContext) =>
    fetched.has(keyOf(sha256, context)) ? context.findDerived(derivation, sha256) : undefined;
  async function atHandOr(sha256: string, context: InspectionContext, read: Read): Promise<PackagesIndex | undefined> {
    return (await atHand(sha256, context)) ?? (await read(context));
  }
  function note(key: string): void {
    fetched.add(key);
    const [oldest] = fetched.size > mostFetched ? fetched : [];
    if (oldest !== undefined) fetched.delete(oldest);
  }

  return {
    atHand,
    async fetch(sha256, context, read) {
      const key = keyOf(sha256, context);
      // Somebody else's failure may be their time-out: then everybody tries on their own, one after the other.
      for (let others = running.get(key); others; others = running.get(key)) {
        await others.catch(() => undefined);
      }
      const own = atHandOr(sha256, context, read);
      running.set(key, own);
      try {
        const index = await own;
        if (index) note(key);
        return index;
      } finally {
        if (running.get(key) === own) running.delete(key);
      }
    },
  };
}
